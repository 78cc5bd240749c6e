//! Effects: the executors that carry out what the engine decided.
//!
//! An [`Effect`](crate::wire::effect::Effect) holds everything that its executor needs. Executors retry
//! and report, and make no choices.

pub mod dispatch;

pub(crate) mod admission;
pub mod alert;
pub mod audit;
pub(crate) mod kube_event;
pub(crate) mod order;
pub(crate) mod removal;
pub(crate) mod revision;
pub(crate) mod rollback;
pub(crate) mod status;

pub mod cluster;
pub(crate) mod delivery;
pub(crate) mod documents;
pub mod folder;
pub(crate) mod lead;
