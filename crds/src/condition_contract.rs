//! `ConditionContract`: what a kind's conditions may contain, and how far a trip may reach.
//!
//! It is cluster-scoped and the platform team's, so that a service team can't widen its own reach.

pub(crate) mod condition;
pub(crate) mod incident;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    bounds, cel,
    condition_contract::{
        condition::ConditionRule,
        incident::{IncidentRecord, RevisionRecord},
    },
    conditions,
    duration::DurationText,
};

/// What the conditions of one kind may contain, and how far a trip may reach.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "fusegate.io",
    version = "v1alpha1",
    kind = "ConditionContract",
    plural = "conditioncontracts",
    shortname = "cctr",
    category = "fusegate",
    status = "ConditionContractStatus",
    derive = "PartialEq",
    doc = "ConditionContract says what the conditions of one kind may contain, and how far a trip may reach. It belongs to the platform team.",
    printcolumn = r#"{"name":"Kind","type":"string","jsonPath":".spec.target.kind"}"#,
    printcolumn = r#"{"name":"Entries","type":"integer","jsonPath":".spec.limits.maxEntries"}"#,
    printcolumn = r#"{"name":"Rollback","type":"string","jsonPath":".spec.rollback.mode"}"#,
    printcolumn = r#"{"name":"Accepted","type":"string","jsonPath":".status.conditions[?(@.type=='Accepted')].status"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = cel::rules(&[(
    "self.conditions.all(c, size(c.key) <= self.limits.maxKeyLength)",
    "conditions: each key must fit in limits.maxKeyLength",
)])))]
pub struct ConditionContractSpec {
    /// The kind whose objects report conditions; it must be namespaced.
    pub target: Target,

    /// Where the conditions are: a map of key to value, a map of key to `{value: …}`, or the standard list keyed by `type`.
    #[serde(default = "default_path")]
    #[schemars(
        length(max = 256),
        regex(pattern = r"^\.status(\.[A-Za-z_][A-Za-z0-9_-]*){1,7}$")
    )]
    pub path: String,

    /// How much an update may contain.
    #[serde(default)]
    pub limits: Limits,

    /// What becomes of a key that isn't declared here; when absent, Reject for maps and Ignore for the standard list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown_keys: Option<UnknownKeys>,

    /// The declared conditions, by key.
    #[schemars(
        length(min = 1, max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["key"])
    )]
    pub conditions: Vec<ConditionRule>,

    /// What happens to a write that breaks this contract, at the API server.
    #[serde(default)]
    pub admission: Admission,

    /// What policies may touch in the mesh; nothing unless listed.
    #[serde(default)]
    pub mesh: ContractMesh,

    /// Whether a trip may roll the kind's CRD back.
    pub rollback: Rollback,

    /// How much of the CRD's history is kept.
    #[serde(default)]
    pub history: History,
}

/// The kind whose objects report conditions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// The API group of the kind's CRD.
    #[schemars(
        length(min = 1, max = bounds::SUBDOMAIN_LENGTH),
        regex(pattern = bounds::SUBDOMAIN)
    )]
    pub group: String,

    /// The kind, as in objects' `kind`.
    #[schemars(length(min = 1, max = bounds::LABEL_LENGTH), regex(pattern = bounds::KIND))]
    pub kind: String,
}

/// How much an update of an object's conditions may contain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// The most entries of the map or list.
    #[schemars(range(min = 1, max = 64))]
    pub max_entries: u32,

    /// The most levels of nesting within an entry's value.
    #[schemars(range(min = 1, max = 8))]
    pub max_depth: u32,

    /// The most bytes of a key.
    #[schemars(range(min = 1, max = 253))]
    pub max_key_length: u32,

    /// The most bytes of an entry's value, as JSON.
    #[schemars(range(min = 1, max = 32_768))]
    pub max_value_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_entries: 10,
            max_depth: 3,
            max_key_length: 63,
            max_value_bytes: 1024,
        }
    }
}

/// What becomes of a key that the contract doesn't declare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum UnknownKeys {
    /// The update is illegal.
    Reject,
    /// The key is passed over.
    Ignore,
}

/// What happens to a write that breaks the contract, at the API server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Admission {
    /// Off, Audit, Warn or Deny. Off unless set, since a denied status write stops the controller that made it.
    /// Write `"Off"` in quotes: YAML 1.1 reads it as a boolean.
    pub mode: AdmissionMode,
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

/// What the policies of a namespace may touch in the mesh.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ContractMesh {
    /// Clusters that may be shed. `{namespace}` and `{name}` stand for the object's, a trailing `*` for any ending.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(
            length(min = 1, max = bounds::TEMPLATE_LENGTH),
            regex(pattern = bounds::TEMPLATE_PREFIX)
        ),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub clusters: Vec<String>,

    /// Runtime keys that may be set: each entry is the start of a key. `{namespace}` and `{name}` stand for the object's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(
            length(min = 1, max = bounds::TEMPLATE_LENGTH),
            regex(pattern = bounds::TEMPLATE_PREFIX)
        ),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub runtime: Vec<String>,
}

/// Whether a trip may roll the kind's CRD back to its previous schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// Off, Propose or Auto; required, since none of them is right for everyone.
    /// Write `"Off"` in quotes: YAML 1.1 reads it as a boolean.
    pub mode: RollbackMode,

    /// Only a schema that changed this recently is rolled back.
    #[serde(default = "default_changed_within")]
    pub changed_within: DurationText,
}

/// How far fusegate goes in rolling a CRD back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RollbackMode {
    /// Never.
    Off,
    /// The target is named in the status and the alert; a person rolls back.
    Propose,
    /// Once per incident, when every check passes.
    Auto,
}

/// How much of the CRD's history is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct History {
    /// The number of schema revisions kept.
    #[schemars(range(min = 2, max = 64))]
    pub limit: u32,
}

impl Default for History {
    fn default() -> Self {
        Self { limit: 10 }
    }
}

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

fn default_path() -> String {
    ".status.conditions".to_owned()
}

fn default_changed_within() -> DurationText {
    "24h".into()
}
