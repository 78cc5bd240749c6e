//! What the two protocol variants share: limits, refusals, responses, and what a stream reports.

mod ledger;
mod limits;
mod names;
mod response;
#[cfg(test)]
pub(crate) mod testing;

pub use limits::{Limits, Refusal};
pub use response::{Event, Nonce, Rejection, Response};

pub(crate) use ledger::{Ledger, Selection};
pub(crate) use names::Quota;
