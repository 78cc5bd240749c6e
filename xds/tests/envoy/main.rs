//! The library against a real Envoy, in all four variants of the protocol.

mod http;
mod plane;
mod proxy;
mod runtime;
mod wait;
