//! Spec: lowering from what people wrote to what the core runs.
//!
//! The API types hold text and options; the core wants numbers and certainty. A
//! spec lowers completely or not at all, with every problem named.

pub mod dependency;
pub mod policy;
pub mod problem;
pub mod rule;
