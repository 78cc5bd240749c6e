//! Whether a trip may roll the kind's CRD back, and how much of its history is kept for that.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::duration::DurationText;

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

    /// After a rollback of this CRD, no other one begins for this long, because each ends all watches of its objects.
    #[serde(default = "default_cooldown")]
    pub cooldown: DurationText,

    /// Tools whose CRD is rolled back all the same; any other tool that keeps re-applying it stops a rollback.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub owners: Vec<RollbackOwner>,
}

/// A tool that reconciles CRDs from a source of truth outside the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RollbackOwner {
    /// Argo CD.
    #[serde(rename = "ArgoCD")]
    ArgoCd,
    /// Flux: its kustomize and helm controllers.
    Flux,
    /// Helm, whose next upgrade writes the CRDs of a chart's templates again.
    Helm,
    /// Crossplane's package manager, which re-applies every few minutes.
    Crossplane,
    /// The Operator Lifecycle Manager.
    #[serde(rename = "OLM")]
    Olm,
    /// kapp-controller.
    Kapp,
    /// Rancher Fleet.
    Fleet,
    /// Config Sync.
    ConfigSync,
    /// Sveltos.
    Sveltos,
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

fn default_changed_within() -> DurationText {
    "24h".into()
}

fn default_cooldown() -> DurationText {
    "10m".into()
}
