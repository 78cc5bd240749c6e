//! Effects: what the engine decided should happen, and the executors that make it so.
//!
//! An [`Effect`](crate::wire::effect::Effect) says everything its executor needs; executors retry and
//! report, and make no choices.

pub mod dispatch;

pub mod alert;
pub mod audit;
pub(crate) mod note;
pub(crate) mod removal;
pub(crate) mod revision;
pub(crate) mod rollback;
pub(crate) mod status;

pub mod cluster;
pub(crate) mod courier;
pub(crate) mod documents;
pub mod folder;
