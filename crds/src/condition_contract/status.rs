//! What fusegate knows of a contract.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    bounds,
    condition_contract::incident::{IncidentRecord, RevisionRecord},
    conditions,
};

/// What fusegate knows of a contract: whether it is accepted, and the story of its kind's CRD.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ConditionContractStatus {
    /// The generation of the spec that this status answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,

    /// Standard conditions: Accepted, `RollbackBlocked`, `RollbackContested`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<conditions::Condition>,

    /// The name of the target kind's CRD.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = bounds::QUALIFIED_LENGTH))]
    pub crd: Option<String>,

    /// The number of the revision that is live.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub revision: Option<i64>,

    /// The schemas that the CRD had, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = Self::MAX_REVISIONS),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["revision"])
    )]
    pub revisions: Vec<RevisionRecord>,

    /// The rollbacks, one per CRD and bad schema, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = Self::MAX_INCIDENTS),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"])
    )]
    pub incidents: Vec<IncidentRecord>,
}

impl ConditionContractStatus {
    /// The most revisions a status lists, the hard ceiling of `history.limit`.
    pub const MAX_REVISIONS: u32 = 64;

    /// The most incidents a status lists; the oldest finished ones make room.
    pub const MAX_INCIDENTS: u32 = 32;
}
