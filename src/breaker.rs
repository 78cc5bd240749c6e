//! The breaker core: a pure function of (circuit, input, time) to (circuit, effects).
//!
//! It knows no clock, no randomness, no Kubernetes and no Envoy, so every decision
//! it makes can be replayed. See `docs/architecture.md`.

pub mod circuit;
pub mod config;
mod names;
pub mod observed;
pub mod past;
pub mod sample;
pub mod streak;
pub mod time;

pub mod types;

pub mod step;
pub mod wake;

mod closed;
mod half_open;
mod open;

pub mod backoff;
mod evidence;
pub mod fingerprint;
mod flap;
pub mod judge;
mod standing;
mod trip;

pub mod adopt;
pub mod enforced;
pub mod persisted;

#[cfg(test)]
mod tests;
