//! `ConditionContract`: what a kind's conditions may contain, and how far a trip may reach.
//!
//! It is cluster-scoped and the platform team's, so that a service team can't widen its own reach.

pub(crate) mod admission;
pub(crate) mod condition;
pub(crate) mod incident;
pub(crate) mod limits;
pub(crate) mod mesh;
pub(crate) mod prometheus;
pub(crate) mod rollback;
pub(crate) mod status;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    bounds,
    condition_contract::{
        admission::Admission,
        condition::ConditionRule,
        limits::{Limits, UnknownKeys},
        mesh::ContractMesh,
        rollback::{History, Rollback},
        status::ConditionContractStatus,
    },
    problem::Problems,
    rule::{self, Check, Rule},
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
#[schemars(extend("x-kubernetes-validations" = rule::schema(RULES)))]
pub struct ConditionContractSpec {
    /// The kind whose objects report conditions. A cluster-scoped kind is judged by policies of fusegate's own namespace.
    pub target: Target,

    /// Where the conditions are: a map of key to value, a map of key to `{value: …}` or `{status: …}`, or the standard list keyed by `type`.
    /// With `.status` its own fields are the conditions.
    #[serde(default = "default_path")]
    #[schemars(
        length(max = 256),
        regex(pattern = r"^\.status(\.[A-Za-z_][A-Za-z0-9_-]*)*$")
    )]
    pub path: String,

    /// How much an update may contain.
    #[serde(default)]
    pub limits: Limits,

    /// What becomes of a key that isn't declared here; when absent, Reject for maps of values and Ignore for standard conditions, those with a `status`, in a list or in a map.
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
    /// The API group of the kind; `""` is the core group, of Pods and Nodes.
    #[schemars(
        length(max = bounds::SUBDOMAIN_LENGTH),
        regex(pattern = bounds::GROUP)
    )]
    pub group: String,

    /// The version to watch the kind in; by default the stored one of a CRD, and the preferred one of other kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = bounds::LABEL_LENGTH),
        regex(pattern = bounds::LABEL)
    )]
    pub version: Option<String>,

    /// The kind, as in objects' `kind`.
    #[schemars(length(min = 1, max = bounds::LABEL_LENGTH), regex(pattern = bounds::KIND))]
    pub kind: String,
}

const RULES: &[Rule<ConditionContractSpec>] = &[Rule {
    cel: Some("self.conditions.all(c, size(c.key) <= self.limits.maxKeyLength)"),
    message: "conditions: each key must fit in limits.maxKeyLength; shorten the key or raise the limit",
    holds: |spec| {
        let limit = usize::try_from(spec.limits.max_key_length).unwrap_or(usize::MAX);
        spec.conditions.iter().all(|rule| rule.key.len() <= limit)
    },
}];

impl Check for ConditionContractSpec {
    fn check(&self, problems: &mut Problems) {
        rule::check(RULES, self, problems);
        problems.each("conditions", &self.conditions, Check::check);
        problems.field("rollback", |problems| {
            problems.field("changedWithin", |problems| {
                self.rollback.changed_within.check(problems);
            });
            problems.field("cooldown", |problems| {
                self.rollback.cooldown.check(problems);
            });
        });
    }
}

fn default_path() -> String {
    ".status.conditions".to_owned()
}
