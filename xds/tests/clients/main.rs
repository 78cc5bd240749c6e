//! The library against real clients: Envoy in all four variants of the protocol, and gRPC.

// A test fails by panicking, in its helpers too.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod authority;
mod bisect;
mod broken;
mod example;
mod front;
mod grpc;
mod hosts;
mod http;
mod judged_together;
mod life;
mod lifecycle;
mod load;
mod mesh;
mod peers;
mod plane;
mod ports;
mod proxy;
mod resources;
mod runtime;
mod scopes;
mod sources;
mod upstream;
mod wait;
mod waves;
mod world;
