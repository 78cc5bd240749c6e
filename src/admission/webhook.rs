//! The webhook as the API server knows it: one `ValidatingWebhookConfiguration`, and the probe that shows that it is called.
//!
//! Each contract has a webhook of its own in it, which matches its kind and `/status` alone, creations and updates, and only where what is
//! judged has changed. All of them are ignored where they fail: fusegate away must not keep anybody from writing.

use serde_json::{Value, json};

use crate::admission::cel;
use crate::admission::expressions::Expressions;
use crate::admission::guard::{Guard, Guards};
use crate::admission::policy::{PROBE, PROBE_ANNOTATION, elsewhere, shortened};
use crate::condition::contract::Source;

/// The name of the configuration.
pub const NAME: &str = "fusegate";

/// Where the API server posts reviews; behind it stand a token that only it knows, and the marker of the configuration that it asks by.
pub const PATH: &str = "/v1/review";

/// How long the API server waits: well within the deadlines of leases and of people.
const TIMEOUT_SECONDS: u8 = 2;

/// The domain of the webhooks' names.
const DOMAIN: &str = "admission.fusegate.io";

/// The longest name of a webhook.
const MOST_NAME: usize = 253;

/// A configuration, and how is known that it is in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    /// The `ValidatingWebhookConfiguration`.
    pub object: Value,
    /// An object that the webhook denies, with the marker in the answer.
    pub probe: Value,
    /// What tells it from those before.
    pub marker: Box<str>,
}

/// The configuration of all guards, given the `clientConfig` by which the API server reaches the webhook, without the marker.
#[must_use]
pub fn configuration(guards: &Guards, client: &Value) -> Configuration {
    let mut client = client.clone();
    put_path(&mut client, &format!("/{}", guards.marker));
    let mut webhooks: Vec<Value> = guards
        .list
        .iter()
        .map(|guard| of_kind(guards, guard, &client))
        .collect();
    let frozen = guards.list.iter().filter(|guard| !guard.frozen.is_empty());
    let frozen: Vec<String> = frozen.map(|guard| guard.crd()).collect();
    if !frozen.is_empty() {
        webhooks.push(of_schemas(&frozen, &client));
    }
    webhooks.push(of_probe(guards, &client));
    Configuration {
        object: json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": NAME, "labels": {"app.kubernetes.io/managed-by": "fusegate"}},
            "webhooks": webhooks,
        }),
        probe: json!({
            "apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": 0, "data": {},
            "metadata": {"name": PROBE, "namespace": &*guards.namespace, "annotations": {PROBE_ANNOTATION: &*guards.marker}},
        }),
        marker: guards.marker.clone(),
    }
}

/// Appends to the path of a `clientConfig`.
pub fn put_path(client: &mut Value, path: &str) {
    if let Some(Value::String(url)) = client.get_mut("url") {
        url.push_str(path);
    } else if let Some(Value::Object(service)) = client.get_mut("service") {
        let before = service
            .get("path")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let path = format!("{before}{path}");
        service.insert("path".to_owned(), path.into());
    }
}

/// The webhook of one contract.
fn of_kind(guards: &Guards, guard: &Guard, client: &Value) -> Value {
    let resource = &guard.resource;
    let rules = json!([{
        "apiGroups": [&*resource.group], "apiVersions": [&*resource.version], "operations": ["CREATE", "UPDATE"],
        "resources": [&*resource.plural, format!("{}/status", resource.plural)], "scope": "*",
    }]);
    let mut conditions = Vec::new();
    let computed = guard
        .contract
        .conditions()
        .iter()
        .any(|condition| *condition.source() == Source::Computed);
    if !computed {
        // What an expression reads may change anywhere.
        let expressions = Expressions::new(&guard.contract, "object".to_owned());
        conditions.push(json!({"name": "changed", "expression": format!("oldObject == null || {}", expressions.changed())}));
    }
    let mut webhook = webhook(
        &shortened(guard.contract.name(), MOST_NAME - DOMAIN.len() - 1),
        &rules,
        &json!(conditions),
        client,
    );
    if let Some(fields) = webhook.as_object_mut() {
        fields.insert("namespaceSelector".to_owned(), elsewhere(&guards.namespace));
    }
    webhook
}

/// The webhook that keeps bad schemas away.
fn of_schemas(crds: &[String], client: &Value) -> Value {
    let rules = json!([{
        "apiGroups": ["apiextensions.k8s.io"], "apiVersions": ["v1"], "operations": ["UPDATE"],
        "resources": ["customresourcedefinitions"], "scope": "Cluster",
    }]);
    let names = cel::strings(crds.iter().map(String::as_str));
    let conditions = json!([{"name": "named", "expression": format!("request.name in {names}")}]);
    webhook("schemas", &rules, &conditions, client)
}

/// The webhook that is asked about the probe alone.
fn of_probe(guards: &Guards, client: &Value) -> Value {
    let rules = json!([{
        "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"],
        "resources": ["controllerrevisions"], "scope": "Namespaced",
    }]);
    let is_probe = format!(
        "request.name == {} && request.namespace == {} && has(request.dryRun) && request.dryRun",
        cel::quote(PROBE),
        cel::quote(&guards.namespace)
    );
    let conditions = json!([{"name": "probe", "expression": is_probe}]);
    webhook("probe", &rules, &conditions, client)
}

fn webhook(name: &str, rules: &Value, conditions: &Value, client: &Value) -> Value {
    json!({
        "name": format!("{name}.{DOMAIN}"),
        "admissionReviewVersions": ["v1"], "clientConfig": client,
        "rules": rules, "matchPolicy": "Equivalent", "matchConditions": conditions,
        "failurePolicy": "Ignore", "sideEffects": "NoneOnDryRun", "timeoutSeconds": TIMEOUT_SECONDS,
    })
}
