//! Admission: how a contract is held against writes, by the API server itself or by a webhook that it asks.
//!
//! By policy, a contract becomes a `ValidatingAdmissionPolicy` and its bindings, which the API server enforces without us.
//! By webhook, the API server asks, and [`review`] answers from memory by the very code that judges what is published.
//!
//! **Invariant**: a policy denies no write that [`crate::condition`] holds legal; `agreement` tests it on tables and on random maps.
//! What the Common Expression Language (CEL) can't say, or not within its budgets, passes and is listed as [`untranslatable::Untranslatable`].
//! All constants are compiled into the policy: a parameter of a custom kind has failed every request after a restart of the API server (kubernetes#122658).
//! Source: Kubernetes documentation, "Validating Admission Policy" and "Common Expression Language in Kubernetes".

pub mod guard;
pub mod policy;
pub mod review;
pub mod untranslatable;
pub mod webhook;

mod cel;
mod evident;
mod expressions;
mod freeze;
mod message;
mod path;
mod text;
mod value;

#[cfg(test)]
pub(crate) mod agreement;
#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
