//! What fusegate knows of a contract.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    bounds,
    condition_contract::incident::{IncidentRecord, RevisionRecord},
    conditions,
    time::Time,
};

/// What fusegate knows of a contract: whether it is accepted, and the story of its kind's CRD.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ConditionContractStatus {
    /// The generation of the spec that this status answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,

    /// Standard conditions: Accepted, `AdmissionReady`, `RollbackBlocked`, `RollbackContested`, `SchemaLint`.
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

    /// What came of each query of Prometheus, by key.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = Self::MAX_QUERIES),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["key"])
    )]
    pub queries: Vec<QueryRecord>,
}

/// What came of a query of Prometheus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueryRecord {
    /// The key whose value it gives.
    #[schemars(length(max = bounds::CONDITION_KEY_LENGTH))]
    pub key: String,

    /// When it last ran; brought up to date once a minute, and at once when anything else here changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<Time>,

    /// How many series it was answered with.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub series: i64,

    /// How many objects of the kind these gave a value.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub objects: i64,

    /// Why objects have no value, where it is not for want of their own series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = Self::MAX_ERROR))]
    pub error: Option<String>,
}

impl QueryRecord {
    /// The longest error, in characters; what is longer is cut.
    pub const MAX_ERROR: u32 = 512;
}

impl ConditionContractStatus {
    /// The most revisions a status lists, the hard ceiling of `history.limit`.
    pub const MAX_REVISIONS: u32 = 64;

    /// The most incidents a status lists; the oldest finished ones make room.
    pub const MAX_INCIDENTS: u32 = 32;

    /// The most queries a status lists: a contract declares no more keys.
    pub const MAX_QUERIES: u32 = 64;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{ConditionContract, IncidentState, Kind};

    #[test]
    fn a_status_survives_the_round_trip() {
        let time = "2026-11-22T14:05:28.123Z";
        let value = json!({
            "observedGeneration": 1, "crd": "storefronts.shop.example.com", "revision": 3,
            "revisions": [{"revision": 3, "hash": "h", "bad": true, "reason": "r", "firstSeen": time, "live": true}],
            "incidents": [{"id": "i", "crdUid": "u", "badHash": "h", "tripId": "t", "state": "Contested",
                "reason": "r", "message": "m", "target": 2, "at": time}],
        });
        let status: ConditionContractStatus = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(&status).unwrap(), value);
        let object = json!({"spec": null, "status": value});
        let problems = ConditionContract::schema().unwrap().check(&object);
        assert!(
            problems.iter().all(|problem| problem.path == "spec"),
            "{problems:?}"
        );
    }

    #[test]
    fn what_a_newer_version_wrote_does_not_make_a_status_unreadable() {
        let status: ConditionContractStatus = serde_json::from_value(json!({
            "later": 1, "incidents": [{"id": "i", "state": "Later", "later": 1}], "revisions": [{"revision": 1}],
        }))
        .unwrap();
        assert_eq!(status.incidents[0].state, IncidentState::Unknown);
        assert_eq!(status.revisions[0].revision, 1);
    }
}
