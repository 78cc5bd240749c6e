//! What a policy publishes to the mesh, within what its contract allows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    bounds,
    problem::Problems,
    rule::{self, Check, Rule},
    scalar::Scalar,
};

/// What a policy publishes to the mesh.
///
/// That `layer` is the policy's own namespace, or starts with it and a dot, is checked by fusegate:
/// a CEL rule may read an object's name, but not its namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyMesh {
    /// The RTDS layer: the policy's namespace, which is the default, or `<namespace>.<suffix>`.
    /// It must not end in `.conditions`, where the published conditions of the layer before that ending go.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = bounds::SUBDOMAIN_LENGTH),
        regex(pattern = bounds::SUBDOMAIN),
        extend("x-kubernetes-validations" = rule::schema(LAYER_RULES))
    )]
    pub layer: Option<String>,

    /// The clusters whose traffic is shed while a circuit is not Closed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["cluster"])
    )]
    pub shed: Vec<Shed>,

    /// Runtime keys that follow the circuit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["key"])
    )]
    pub runtime: Vec<RuntimeKey>,

    /// Whether the legal condition values are published, in the layer `<layer>.conditions`.
    pub publish_conditions: bool,
}

/// A cluster whose traffic is shed while a circuit is not Closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shed {
    /// The Envoy cluster; `{namespace}` and `{name}` stand for the object's.
    #[schemars(
        length(min = 1, max = bounds::TEMPLATE_LENGTH),
        regex(pattern = bounds::TEMPLATE)
    )]
    pub cluster: String,

    /// The percent of requests shed while Open.
    #[serde(default = "default_percent")]
    #[schemars(range(min = 1, max = 100))]
    pub percent: u8,
}

/// A runtime key that follows the circuit; while `HalfOpen` it has its value for Open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeKey {
    /// The key; `{namespace}` and `{name}` stand for the object's.
    #[schemars(
        length(min = 1, max = bounds::TEMPLATE_LENGTH),
        regex(pattern = bounds::TEMPLATE)
    )]
    pub key: String,

    /// The value while Closed.
    pub closed: Scalar,

    /// The value while not Closed.
    pub open: Scalar,
}

const LAYER_RULES: &[Rule<str>] = &[Rule {
    cel: Some("!self.endsWith('.conditions')"),
    message: "must not end in .conditions, which is where published conditions go",
    holds: |layer| !layer.ends_with(".conditions"),
}];

impl Check for PolicyMesh {
    fn check(&self, problems: &mut Problems) {
        if let Some(layer) = &self.layer {
            problems.field("layer", |problems| {
                rule::check(LAYER_RULES, layer.as_str(), problems);
            });
        }
    }
}

fn default_percent() -> u8 {
    100
}
