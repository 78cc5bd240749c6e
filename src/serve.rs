//! Serve: read-only views over HTTP. Nothing here changes a circuit.
//!
//! Every replica serves, leader or not. An answer is read from one [`View`](crate::wire::view::View) and
//! one clock reading: no lock is held, and neither the API server nor the engine is waited for.

pub mod access;
pub mod alertmanager;
pub mod bounds;
pub mod counters;
pub mod history;
pub mod installation;
pub mod notice;
pub mod proxies;
pub mod selector;
pub mod state;
pub mod top;
pub mod waiters;

pub mod verdict;

pub mod gate;

pub mod admin;
pub mod page;

pub mod server;
pub mod webhook;

mod bad_request;
#[cfg(test)]
pub(crate) mod fixture;
mod route;
mod wire;
