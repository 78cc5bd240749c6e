//! What the two protocol variants share: limits, refusals, responses, and what a stream reports.

mod fate;
mod ledger;
mod limits;
mod mux;
mod quota;
mod response;
mod scope;
#[cfg(test)]
pub(crate) mod testing;
mod warming;

pub use limits::{Limits, Refusal};
pub use response::{Event, Isolated, Nonce, Rejection, Response};
pub use scope::Scope;

pub(crate) use fate::{Fate, Floor, Stance, Word};
pub(crate) use ledger::{Demand, Ledger, Selection};
pub use mux::Standing;
pub(crate) use mux::{Ask, Due, Mux, Sharer, Subscription};
pub(crate) use scope::View;
