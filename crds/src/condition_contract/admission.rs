//! What happens at the API server to a write that breaks the contract.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens to a write that breaks the contract, at the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Admission {
    /// Off, Audit, Warn or Deny. Off unless set, since a denied status write stops the controller that made it.
    /// Write `"Off"` in quotes: YAML 1.1 reads it as a boolean.
    pub mode: AdmissionMode,

    /// Who asks: fusegate's own webhook, or a `ValidatingAdmissionPolicy` that the API server enforces without fusegate.
    pub by: AdmissionBy,
}

/// Who judges a write at the API server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AdmissionBy {
    /// fusegate, over a webhook: exact, and what it denies is evidence. Reserved: it is not there yet.
    #[default]
    Webhook,
    /// The API server, by a policy that fusegate writes: it denies no more than is illegal, and what its language can't say passes.
    Policy,
}

/// How admission answers a write that breaks the contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum AdmissionMode {
    /// Nothing is asked of the API server; illegal updates are still not published.
    #[default]
    Off,
    /// The write passes and is recorded.
    Audit,
    /// The write passes and its author is warned.
    Warn,
    /// The write is refused.
    Deny,
}
