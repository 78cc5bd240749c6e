//! The webhook as the API server knows it: one `ValidatingWebhookConfiguration`, and the probe that shows that it is called.
//!
//! Each contract has a webhook of its own in it, which matches its kind and `/status` alone, creations and updates, and only where what is
//! judged has changed. All of them are ignored where they fail: fusegate away must not keep anybody from writing.

use serde_json::{Value, json};

use crate::admission::cel;
use crate::admission::evident::LONGEST;
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

/// How long an expression for what is evident may be, so that all contracts fit into one object, which etcd takes up to 1.5 MB.
fn evident_within(guards: &Guards) -> usize {
    const ALL: usize = 1 << 20;
    /// What else a webhook has.
    const REST: usize = 4_096;
    (ALL / guards.list.len().max(1))
        .saturating_sub(REST)
        .min(LONGEST)
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
        conditions.push(
            json!({"name": "changed", "expression": expressions.doubtful(evident_within(guards))}),
        );
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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::admission::fixture::guard;
    use crate::admission::guard::FrozenSchema;

    /// The webhooks of so many contracts with these conditions, whose CRD is frozen.
    fn webhooks(contracts: usize, conditions: &Value) -> Vec<Value> {
        let frozen = vec![FrozenSchema {
            revision: 2,
            trip: "trip-1".into(),
            hash: "1".into(),
        }];
        let guard = guard(conditions, "Deny", frozen);
        let list = std::iter::repeat_n(guard, contracts).collect();
        let guards = Guards::new("fusegate-system".into(), list, "");
        let made = configuration(&guards, &json!({"url": "https://127.0.0.1:9443/v1/review"}));
        made.object["webhooks"].as_array().unwrap().clone()
    }

    fn ready() -> Value {
        json!([{"key": "ready", "type": "Boolean"}])
    }

    #[test]
    fn only_the_kind_its_status_its_crd_and_the_probe_are_asked_about() {
        let asked: Vec<Value> = webhooks(1, &ready())
            .iter()
            .map(|each| each["rules"].clone())
            .collect();
        let rule = |group: &str,
                    version: &str,
                    operations: Value,
                    resources: Value,
                    scope: &str| {
            json!([{"apiGroups": [group], "apiVersions": [version], "operations": operations, "resources": resources, "scope": scope}])
        };
        let kind = json!(["storefronts", "storefronts/status"]);
        let crds = json!(["customresourcedefinitions"]);
        let probe = json!(["controllerrevisions"]);
        assert_eq!(
            asked,
            [
                rule(
                    "shop.example.com",
                    "v1",
                    json!(["CREATE", "UPDATE"]),
                    kind,
                    "*"
                ),
                rule(
                    "apiextensions.k8s.io",
                    "v1",
                    json!(["UPDATE"]),
                    crds,
                    "Cluster"
                ),
                rule("apps", "v1", json!(["CREATE"]), probe, "Namespaced"),
            ]
        );
    }

    /// A selector passes over what is in no namespace, so the CRD is told by its name.
    #[test]
    fn our_own_namespace_and_that_of_kubernetes_are_left_alone() {
        let [kind, crd, probe] = webhooks(1, &ready()).try_into().unwrap();
        let elsewhere = json!({"matchExpressions": [{
            "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["fusegate-system", "kube-system"],
        }]});
        assert_eq!(kind["namespaceSelector"], elsewhere);
        let condition = |webhook: &Value| webhook["matchConditions"][0]["expression"].clone();
        let named = "request.name in ['storefronts.shop.example.com']";
        assert_eq!(condition(&crd), named);
        let is_probe = "request.name == 'fusegate-admission-probe' && request.namespace == 'fusegate-system' && has(request.dryRun) && request.dryRun";
        assert_eq!(condition(&probe), is_probe);
    }

    #[test]
    fn a_webhook_that_does_not_answer_keeps_nobody_from_writing() {
        for webhook in webhooks(1, &ready()) {
            assert_eq!(webhook["failurePolicy"], "Ignore");
            assert_eq!(webhook["timeoutSeconds"], 2);
            assert_eq!(webhook["sideEffects"], "NoneOnDryRun");
            assert_eq!(webhook["matchPolicy"], "Equivalent");
            assert!(!webhook.to_string().contains("DELETE"));
        }
    }

    #[rstest]
    #[case::what_has_changed_and_is_in_doubt(json!(null), 1)]
    #[case::a_place_of_its_own(json!({"path": ".status.ready"}), 1)]
    #[case::whatever_is_written(json!({"cel": "object.spec.ready"}), 0)]
    fn an_expression_may_read_what_no_match_condition_knows(
        #[case] from: Value,
        #[case] expected: usize,
    ) {
        let mut conditions = ready();
        if !from.is_null() {
            conditions[0]["from"] = from;
        }
        let webhooks = webhooks(1, &conditions);
        let found = webhooks[0]["matchConditions"].as_array().unwrap();
        assert_eq!(found.len(), expected);
    }

    #[rstest]
    #[case(1, true)]
    #[case(256, false)]
    fn as_many_contracts_as_there_may_be_fit_into_one_object(
        #[case] contracts: usize,
        #[case] evident: bool,
    ) {
        const MOST: usize = 1_500_000;
        let conditions: Vec<Value> = (0..64)
            .map(|key| json!({"key": format!("key-{key}"), "type": "Integer", "minimum": 0}))
            .collect();
        let webhooks = webhooks(contracts, &json!(conditions));
        let expression = webhooks[0]["matchConditions"][0]["expression"].as_str();
        assert_eq!(expression.unwrap().starts_with("!("), evident);
        assert!(json!(webhooks).to_string().len() < MOST);
    }
}
