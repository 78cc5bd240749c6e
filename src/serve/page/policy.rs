//! A policy, and what it says of itself, for `GET /v1/policies/{namespace}/{name}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use serde_json::Value;

use crate::serve::page::missing::Missing;
use crate::serve::page::overview::PolicyDocument;
use crate::serve::page::rule::{self, plain};
use crate::serve::state::ServeState;
use crate::serve::wire;

/// One policy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    policy: PolicyDocument,
    rejected: Option<String>,
    takes: Option<String>,
    rules: Vec<rule::Document>,
    layer: Option<String>,
    conditions: Value,
    spec: Value,
}

pub(super) async fn show(
    State(state): State<ServeState>,
    Path((namespace, name)): Path<(String, String)>,
) -> Result<Json<Document>, Missing> {
    let view = state.view.load();
    let key = (Arc::from(namespace), Arc::from(name));
    let Some((key, policy)) = view.policies.get_key_value(&key) else {
        let name = format!("{}/{}", key.0, key.1);
        return Err(Missing::Policy(wire::quoted(&name)));
    };
    let status = policy.status.as_deref();
    Ok(Json(Document {
        policy: PolicyDocument::new((key, policy)),
        rejected: policy.rejected.as_deref().map(str::to_owned),
        takes: policy.config.as_deref().map(rule::takes),
        rules: rule::rules(policy),
        layer: policy.layer.as_deref().map(str::to_owned),
        conditions: status.map_or(Value::Null, |status| plain(&status.conditions)),
        spec: policy.spec.as_deref().map_or(Value::Null, plain),
    }))
}
