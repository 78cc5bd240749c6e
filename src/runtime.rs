//! The runtime: what every long-running process needs and no decision depends on.

pub mod clock;
