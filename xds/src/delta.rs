//! Delta: the incremental variant of the protocol, for one stream, without IO.
//!
//! Requests go in, and the next response is taken out when the transport can carry one; what changes meanwhile is merged.

mod request;
mod subscription;

pub use request::Request;

use crate::protocol::StreamCore;

pub(crate) use subscription::Subscription;

/// The state of one delta stream.
pub type Delta = StreamCore<Subscription>;

#[cfg(test)]
mod tests;
