//! The breaker core: a pure function of (circuit, input, time) to (circuit, effects).
//!
//! It knows no clock, no randomness, no Kubernetes and no Envoy, so every decision
//! it makes can be replayed. See `docs/architecture.md`.

pub mod circuit;
pub mod config;
pub mod sample;
pub mod step;
pub mod time;
