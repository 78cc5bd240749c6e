//! The library against a real Envoy, in all four variants of the protocol.

// A test fails by panicking, in its helpers too.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod authority;
mod http;
mod lifecycle;
mod mesh;
mod plane;
mod proxy;
mod resources;
mod runtime;
mod upstream;
mod wait;
