//! Controllers of others, and fusegate beside them, in a whole cluster: `make test-peers` runs these.

mod argo;
mod cluster;
mod flagger;
mod world;
