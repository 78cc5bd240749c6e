//! Outputs: everything that leaves the engine, as a function of its state.

mod alert;
pub(crate) mod audit;
mod layers;
mod retell;
mod revision;
pub(crate) mod rollback;
mod status;
pub(crate) mod text;
mod view;
