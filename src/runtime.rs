//! The runtime: what every long-running process needs and no decision depends on.

pub mod backoff;
pub mod client;
pub mod clock;
pub mod insist;
pub mod leader;
pub mod mailbox;
pub mod metrics;
pub mod shutdown;
