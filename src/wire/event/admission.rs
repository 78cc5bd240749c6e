//! Admission's part of events: what came of having the API server enforce a contract or ask the webhook, and what that denied.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::wire::event::GroupKind;

/// What came of having the API server enforce a contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdmissionOutcome {
    /// The contract.
    pub contract: Box<str>,
    /// Which of its policies was applied.
    pub marker: Box<str>,
    /// The end of it.
    pub end: AdmissionEnd,
}

/// The ends that applying a policy can have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AdmissionEnd {
    /// It was applied, and its probe was denied.
    Enforced,
    /// It is not known to be enforced.
    Failed {
        /// A reason in CamelCase for the condition.
        reason: Box<str>,
        /// What stands in the way and what to do.
        message: Box<str>,
    },
}

/// Whether the API server can reach the webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WebhookState {
    /// It is served; the `clientConfig` of a webhook, without its path.
    Serving(Value),
    /// It is not, and what to do.
    Failed(Box<str>),
}

/// What came of having the API server ask the webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookOutcome {
    /// Which configuration was applied.
    pub marker: Box<str>,
    /// The end of it.
    pub end: AdmissionEnd,
}

/// A write of an object that breaks its contract, and was denied: it was never persisted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denied {
    /// The object's kind.
    pub kind: GroupKind,
    /// Its namespace; empty for a cluster-scoped one.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its uid.
    pub uid: Box<str>,
    /// The resource version that it had.
    pub resource_version: Box<str>,
    /// Identifies what would have been written: the same again is the same observation.
    pub content: u64,
    /// How many keys it had.
    pub keys: usize,
    /// What is wrong with it, in at most about a thousand characters.
    pub reason: Box<str>,
    /// The replica whose webhook denied it; empty for this one.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub by: Box<str>,
}
