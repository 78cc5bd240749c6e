//! What fusegate knows of a policy, and resumes from.

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

    /// How many are Open.
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
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = Self::MAX_CIRCUITS),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["uid"])
    )]
    pub circuits: Vec<CircuitRecord>,
}

impl CircuitPolicyStatus {
    /// The most circuits a status lists; `omitted` counts the rest.
    pub const MAX_CIRCUITS: u32 = 500;
}
