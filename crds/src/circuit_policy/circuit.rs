//! One circuit as the policy's status records it: enough to resume it after a restart, and to explain it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::{bounds, circuit_override::OverrideState, time::Time};

/// One armed or non-Closed circuit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["uid", "name", "state"]))]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own that people look for by name"
)]
pub struct CircuitRecord {
    /// The object's uid: the same name with a new uid is a new object.
    #[schemars(length(min = 1, max = 128))]
    pub uid: String,

    /// The object's kind.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = bounds::LABEL_LENGTH))]
    pub kind: String,

    /// The object's name.
    #[schemars(length(max = bounds::SUBDOMAIN_LENGTH))]
    pub name: String,

    /// The circuit's own state, whatever an override makes of it.
    pub state: CircuitState,

    /// The override in force; one that this version doesn't know reads as none, and the override itself says more.
    #[serde(
        rename = "override",
        skip_serializing_if = "Option::is_none",
        deserialize_with = "known_override"
    )]
    pub overridden: Option<OverrideState>,

    /// The trip that opened it; of a Closed circuit the one it has just recovered from, for a quarter of an hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub trip_id: Option<String>,

    /// What opened it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<CauseRecord>,

    /// How many trips the circuit ever had; the trip id is a hash of it.
    #[schemars(range(min = 0))]
    pub incident: i64,

    /// How often the wait was doubled.
    #[schemars(range(min = 0))]
    pub level: i64,

    /// When the level's next decay is counted from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level_since: Option<Time>,

    /// When the last trip was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tripped_at: Option<Time>,

    /// The index of the rule in `trip.when` that broke.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 15))]
    pub tripped_rule: Option<i64>,

    /// The value that broke it; text is in quotes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub tripped_value: Option<String>,

    /// When the state began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,

    /// When Open's wait, or `HalfOpen`'s timeout, ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,

    /// When this half-open step began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_since: Option<Time>,

    /// The step of `halfOpen.admitPercent`, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub step: Option<i64>,

    /// Good samples in a row in this step.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub successes: Option<i64>,

    /// A sentence for people: why it is in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,

    /// Whether one more Bad sample opens it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub armed: bool,

    /// Whether it flapped, and stays Open until a person acts.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub latched: bool,

    /// Whether it would be Open, were not `maxOpenPercent` reached.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub suppressed: bool,

    /// Since when it would be Open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suppressed_since: Option<Time>,

    /// Whether it opened out of `HalfOpen`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reopened: bool,

    /// The resource version of the object that was judged last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub observed_version: Option<String>,

    /// The streaks of the rules that have one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 17),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["index"])
    )]
    pub rules: Vec<RuleRecord>,

    /// When it tripped, newest last, as far back as `flap.within`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = Self::MAX_TRIPS),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub trips: Vec<Time>,

    /// The published condition values, frozen as before the trip; of an armed circuit, those that would be.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(transform = frozen_schema, extend("maxProperties" = 64))]
    pub frozen: BTreeMap<String, String>,

    /// Whether `frozen` found no room: a restart freezes the values that it finds instead.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub frozen_omitted: bool,
}

impl CircuitRecord {
    /// The most trips a record lists: one more than `flap.trips` may be.
    pub const MAX_TRIPS: u32 = 32;

    /// The most bytes of a frozen value.
    pub const MAX_FROZEN_BYTES: u32 = 1024;
}

/// A circuit's own state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CircuitState {
    /// Nothing is wrong, or not yet.
    Closed,
    /// Tripped, and waiting.
    Open,
    /// Admitting some, on probation.
    HalfOpen,
    /// A state that a newer version wrote.
    #[default]
    #[serde(other)]
    Unknown,
}

/// What opened a circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum CauseRecord {
    /// A threshold was broken.
    Breach,
    /// Updates broke the contract.
    Illegal,
    /// A cause that a newer version wrote.
    #[serde(other)]
    Unknown,
}

/// The streak of one rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["index"]))]
pub struct RuleRecord {
    /// The rule's place in `trip.when`, from 0; one past the last means illegal updates.
    #[schemars(range(min = 0, max = 16))]
    pub index: i64,

    /// Bad samples in a row.
    #[schemars(range(min = 0))]
    pub streak: i64,

    /// When the streak's first Bad sample was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,

    /// The identity of the last observation counted, so that it doesn't count twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub observed: Option<String>,

    /// When each Bad sample that still counts came, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), extend("x-kubernetes-list-type" = "atomic"))]
    pub bad_at: Vec<Time>,

    /// The heartbeat that the last observation carried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<Time>,

    /// When the last observation arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arrived_at: Option<Time>,

    /// When the last observation was last counted, on arrival or by resampling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted_at: Option<Time>,

    /// How it was classed: Good, Bad, or why it is Unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub class: Option<String>,

    /// Whether the last value that said anything was Bad, and none has been clear since.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sick: bool,
}

/// A newer version's override must not make the whole status unreadable.
fn known_override<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<OverrideState>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

/// Bounds the values of `frozen`.
fn frozen_schema(schema: &mut schemars::Schema) {
    schema.insert(
        "additionalProperties".to_owned(),
        json!({"type": "string", "maxLength": CircuitRecord::MAX_FROZEN_BYTES}),
    );
}
