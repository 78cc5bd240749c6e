//! What fusegate knows of a policy, and resumes from.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{circuit_policy::circuit::CircuitRecord, conditions};

/// What fusegate knows of a policy: whether it is accepted, and its armed and non-Closed circuits.
///
/// The list is what a restart or a new leader resumes from.
/// Its bounds keep one careless entry small, not the sum below etcd's limit: the writer measures the whole status.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CircuitPolicyStatus {
    /// The generation of the spec that this status answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,

    /// Standard conditions: Accepted, Programmed, Open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<conditions::Condition>,

    /// How many circuits the policy has.
    #[schemars(range(min = 0))]
    pub total: i64,

    /// How many are armed: one Bad sample from a trip.
    #[schemars(range(min = 0))]
    pub armed: i64,

    /// How many are Open, by evidence or because somebody forces them.
    #[schemars(range(min = 0))]
    pub open: i64,

    /// How many are `HalfOpen`.
    #[schemars(range(min = 0))]
    pub half_open: i64,

    /// How many circuits belong into `circuits` but found no room.
    #[schemars(range(min = 0))]
    pub omitted: i64,

    /// How many proxies are subscribed to the policy's layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub proxies: Option<i64>,

    /// How many of them have accepted what is published now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub acked: Option<i64>,

    /// The armed and the non-Closed circuits, by the object's uid.
    // Shared, since most of them stand in one status as they stood in the last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = Self::MAX_CIRCUITS),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["uid"])
    )]
    pub circuits: Vec<Arc<CircuitRecord>>,
}

impl CircuitPolicyStatus {
    /// The most circuits a status lists; `omitted` counts the rest.
    pub const MAX_CIRCUITS: u32 = 500;
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{CauseRecord, CircuitPolicy, CircuitState, Kind, OverrideState, Time};

    #[test]
    fn a_status_survives_the_round_trip_to_the_millisecond() {
        let time = "2026-11-22T14:05:28.123Z";
        let value = json!({
            "observedGeneration": 4, "total": 3, "armed": 1, "open": 1, "halfOpen": 0, "omitted": 0,
            "proxies": 4, "acked": 3,
            "conditions": [{"type": "Accepted", "status": "True", "reason": "Valid", "message": "fine",
                "lastTransitionTime": "2026-11-22T14:05:28Z"}],
            "circuits": [{"uid": "u", "kind": "Storefront", "name": "front", "state": "HalfOpen",
                "override": "Observe", "tripId": "t", "cause": "Illegal", "incident": 2, "level": 1,
                "since": time, "until": time, "step": 1, "successes": 2, "reason": "x", "armed": true,
                "latched": true, "suppressed": true, "trips": [time], "frozen": {"k": "1"},
                "rules": [{"index": 16, "streak": 2, "since": time, "observed": "o"}]}],
        });
        let status: CircuitPolicyStatus = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(status.circuits[0].since, Time::parse(time));
        assert_eq!(status.circuits[0].cause, Some(CauseRecord::Illegal));
        assert_eq!(status.circuits[0].overridden, Some(OverrideState::Observe));
        assert_eq!(serde_json::to_value(&status).unwrap(), value);
        let object = json!({"spec": null, "status": value});
        let problems = CircuitPolicy::schema().unwrap().check(&object);
        assert!(
            problems.iter().all(|problem| problem.path == "spec"),
            "{problems:?}"
        );
    }

    #[test]
    fn what_a_newer_version_wrote_does_not_make_a_status_unreadable() {
        let status: CircuitPolicyStatus = serde_json::from_value(json!({
            "later": {"a": 1}, "open": 1,
            "circuits": [{"uid": "u", "name": "n", "state": "Melted", "cause": "Gremlins",
                "override": "ForcedAjar", "later": [], "rules": [{"index": 0, "later": 1}]}],
        }))
        .unwrap();
        let circuit = &status.circuits[0];
        assert_eq!(circuit.state, CircuitState::Unknown);
        assert_eq!(circuit.cause, Some(CauseRecord::Unknown));
        assert_eq!(circuit.overridden, None);
        assert_eq!(circuit.rules.len(), 1);
    }

    #[test]
    fn a_circuit_with_little_to_tell_is_short() {
        let circuit = CircuitRecord {
            uid: "u".to_owned(),
            name: "n".to_owned(),
            state: CircuitState::Closed,
            ..CircuitRecord::default()
        };
        let short = json!({"uid": "u", "name": "n", "state": "Closed", "incident": 0, "level": 0});
        assert_eq!(serde_json::to_value(circuit).unwrap(), short);
    }
}
