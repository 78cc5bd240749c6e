//! The policies whose outage explains that of this one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bounds;

/// A policy that another one depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dependency {
    /// The policy.
    #[schemars(
        length(min = 1, max = bounds::SUBDOMAIN_LENGTH),
        regex(pattern = bounds::SUBDOMAIN)
    )]
    pub name: String,

    /// Its namespace; this policy's own, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = bounds::LABEL_LENGTH),
        regex(pattern = bounds::LABEL)
    )]
    pub namespace: Option<String>,
}
