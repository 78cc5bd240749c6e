//! What the policies of a namespace may touch in the mesh; nothing unless listed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounds;

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
