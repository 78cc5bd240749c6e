//! Integration tests.

// A test fails by panicking, and so do the functions that tests share; clippy knows only those marked as tests.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod alertmanager;
mod architecture;
mod cases;
mod corpus;
mod deploy;
mod docs;
mod effects_admission;
mod effects_alerts;
mod effects_kube;
mod harness;
mod http_port;
mod leases;
mod peers;
mod profiled;
mod rollback;
mod source_kube;
mod source_prometheus;
mod story;
mod support;
mod xds_port;
