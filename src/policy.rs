//! Policy: what should be published, per layer.
//!
//! It knows circuits' states and the names of things, and nothing of where they
//! come from (Kubernetes) or how they are said (Envoy).

pub mod allowance;
pub mod audience;
pub mod contribution;
mod desired_keys;
pub mod layer;
pub mod layers;
pub mod plan;
pub mod template;
