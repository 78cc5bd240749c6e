//! Outputs: everything that leaves the engine, as functions of the state.
//!
//! **Invariant**: an output reads the state and changes nothing but the outbox.

pub(crate) mod outbox;
pub(crate) mod sent;

pub(crate) mod admission;
pub(crate) mod alert;
pub(crate) mod audit;
pub(crate) mod catch_up;
pub(crate) mod event;
pub(crate) mod layers;
pub(crate) mod map;
pub(crate) mod queries;
pub(crate) mod revision;
pub(crate) mod status;
pub(crate) mod view;
pub(crate) mod webhook;

pub(crate) mod publisher;
pub(crate) mod text;
