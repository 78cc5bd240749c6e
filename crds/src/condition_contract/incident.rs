//! The story of a contracted CRD: the revisions of its schema, and the incidents that rolled it back.
//!
//! An incident is claimed here by compare-and-swap, so there is one rollback per incident whatever the number of circuits.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Time;

/// One schema that the CRD had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["revision", "hash"]))]
pub struct RevisionRecord {
    /// The revision's number, counted up.
    #[schemars(range(min = 0))]
    pub revision: i64,

    /// The hash of the CRD's versions.
    #[schemars(length(max = 128))]
    pub hash: String,

    /// Whether it was live at a trip's beginning, and so is no rollback target until a person clears the mark.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub bad: bool,

    /// Why it is marked bad.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,

    /// When fusegate first saw it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen: Option<Time>,

    /// Whether the API server serves it now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub live: bool,
}

/// One rollback, or the reason why there was none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["id", "state"]))]
pub struct IncidentRecord {
    /// The incident's identity: a hash of the CRD's uid and the bad schema.
    #[schemars(length(min = 1, max = 128))]
    pub id: String,

    /// The uid of the CRD.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 128))]
    pub crd_uid: String,

    /// The hash of the schema that was live when the circuit tripped.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 128))]
    pub bad_hash: String,

    /// The first trip of the incident.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 128))]
    pub trip_id: String,

    /// How far the rollback came.
    pub state: IncidentState,

    /// One word for machines: why it is in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub reason: Option<String>,

    /// A sentence for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,

    /// The number of the revision rolled back to, or proposed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub target: Option<i64>,

    /// How often the bad schema came back after a rollback.
    #[serde(skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0))]
    pub reverts: i32,

    /// The field manager that brought it back last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub reverted_by: Option<String>,

    /// The shard that took it up, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub shard: Option<String>,

    /// When the state last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &i32) -> bool {
    *number == 0
}

/// How far a rollback came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum IncidentState {
    /// The leader took it up.
    Claimed,
    /// The CRD has its previous schema.
    RolledBack,
    /// A check forbids it; `reason` says which.
    Blocked,
    /// The contract says Propose: a person decides.
    Proposed,
    /// Another manager brought the bad schema back twice.
    Contested,
    /// A state that a newer version wrote.
    #[default]
    #[serde(other)]
    Unknown,
}
