//! `CircuitOverride`: a person's decision about circuits, with an end and a reason.
//!
//! It is a kind of its own so that overriding needs no right to edit policies.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{bounds, conditions, time::Time};

/// A person's decision about one circuit of a policy, or all of them.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "fusegate.io",
    version = "v1alpha1",
    kind = "CircuitOverride",
    plural = "circuitoverrides",
    shortname = "covr",
    category = "fusegate",
    namespaced,
    status = "CircuitOverrideStatus",
    derive = "PartialEq",
    doc = "CircuitOverride forces circuits of one policy open or closed, or has them observed only, until it expires. It belongs to the SRE on call.",
    printcolumn = r#"{"name":"Policy","type":"string","jsonPath":".spec.policy"}"#,
    printcolumn = r#"{"name":"Object","type":"string","jsonPath":".spec.object"}"#,
    printcolumn = r#"{"name":"State","type":"string","jsonPath":".spec.state"}"#,
    printcolumn = r#"{"name":"Until","type":"string","jsonPath":".spec.until"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct CircuitOverrideSpec {
    /// The policy, in this override's own namespace.
    #[schemars(
        length(min = 1, max = bounds::SUBDOMAIN_LENGTH),
        regex(pattern = bounds::SUBDOMAIN)
    )]
    pub policy: String,

    /// The object whose circuit is meant; all of the policy's circuits, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = bounds::SUBDOMAIN_LENGTH),
        regex(pattern = bounds::SUBDOMAIN)
    )]
    pub object: Option<String>,

    /// What the circuit is made to do.
    pub state: OverrideState,

    /// When the override ends; after that it is inert, and removed.
    pub until: Time,

    /// Why, for whoever reads the audit line.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
}

/// What an override makes a circuit do; evaluation goes on underneath.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OverrideState {
    /// Open, whatever the samples say.
    ForcedOpen,
    /// Closed, whatever the samples say.
    ForcedClosed,
    /// Computed and reported, never enforced.
    Observe,
}

/// Whether an override holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct CircuitOverrideStatus {
    /// The generation of the spec that this status answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub observed_generation: Option<i64>,

    /// Standard conditions: Accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<conditions::Condition>,
}
