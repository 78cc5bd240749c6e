//! Effects: what the engine decided should happen, and the executors that make it so.
//!
//! An [`effect::Effect`] says everything its executor needs; executors retry and
//! report, and make no choices.

pub mod effect;

pub mod audit;
pub mod cluster;
pub(crate) mod courier;
pub mod folder;
pub(crate) mod status;
