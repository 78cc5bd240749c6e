//! What a policy's gate answers where there is no evidence.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What gates answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Gate {
    /// What a gate does while it has no current evidence: a value that is missing or stale, or a watch that is not live.
    pub unknown: UnknownEvidence,
}

/// What a gate does without current evidence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum UnknownEvidence {
    /// It holds: nothing passes, nothing is counted, and nothing is rolled back.
    #[default]
    Hold,
    /// It passes, as if every circuit without evidence were Closed. An Open circuit still refuses.
    Pass,
}
