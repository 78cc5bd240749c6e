//! Controllers of others, and fusegate beside them, in a whole cluster: `make test-peers` runs these.

mod analyses;
mod argo;
mod builtin;
mod canaries;
mod cluster;
mod credentials;
mod crowd;
mod doubt;
mod flagger;
mod hooks;
mod installed;
mod manifests;
mod outage;
mod prometheus;
mod recorded;
mod rollouts;
mod shop;
mod tap;
mod world;
