//! Delta: the incremental variant of the protocol, for one stream, without IO.
//!
//! Requests go in, and the next response is taken out when the transport can carry one; what changes meanwhile is merged.

mod request;
mod subscription;

pub use request::Request;

use bytes::BufMut;

use crate::encode;
use crate::protocol::{Event, Refusal, Response, StreamCore};

pub(crate) use subscription::Subscription;

/// The state of one delta stream.
pub type Delta = StreamCore<Subscription>;

impl Delta {
    /// Takes a request: an answer to a response, a change of what is subscribed to, or both (rule 12).
    pub fn request(&mut self, request: &Request) -> Result<Vec<Event>, Refusal> {
        self.accept(request)
    }

    /// Writes a response as the `DeltaDiscoveryResponse` that the client is to get.
    pub fn encode(response: &Response, buffer: &mut impl BufMut) {
        encode::delta(response, buffer);
    }
}

#[cfg(test)]
mod tests;
