//! What the two protocol variants share: the core of a stream, its limits, its responses, and what it reports.
//!
//! A request goes down from [`StreamCore`] to the variant's subscription, from there to the ledger, which keeps what the client has and is due,
//! and from there to the NACKs. Nothing calls back up: what follows from an answer is returned.

mod coordinated;
mod ledger;
mod limits;
mod nack_coordination;
mod nacks;
mod quota;
mod referrers;
mod response;
mod scope;
mod stream_core;
mod sync_status;
#[cfg(test)]
pub(crate) mod testing;
mod variant;
mod warming;

pub use limits::{Limits, Refusal};
pub use response::{Event, Isolated, Nonce, Rejection, Response};
pub use scope::Scope;
pub use stream_core::StreamCore;
pub use sync_status::SyncStatus;

pub(crate) use coordinated::Coordinated;
pub(crate) use ledger::{Demand, Ledger, Selection};
pub(crate) use nack_coordination::{NackCoordination, SendPermit};
pub(crate) use variant::{Accepted, Head, Outgoing, SendContext, Variant};

#[cfg(test)]
mod tests;
