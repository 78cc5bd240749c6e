//! The doctor: what is wrong with an installation, by what its replicas measure and what its objects say.
//!
//! It is given what was seen and asks nobody itself.

mod cluster;
mod finding;
mod fleet;
mod looks;
mod process;
mod replica;
mod samples;
mod top;

pub use cluster::{Holder, Right, conditions, crd, holder, right};
pub use finding::{Finding, Severity};
pub use fleet::{Seen, fleet};
pub use looks::{Look, Looks};
pub use replica::{proxies, ready, replica};
pub use samples::{Samples, Unreadable};
pub use top::{Top, top};

#[cfg(test)]
mod tests;
