//! A policy: the `ValidatingAdmissionPolicy` of a contract and its two bindings, as they are applied.
//!
//! One binding is what the contract asks for; the other denies the probe by which is known that the API server enforces the policy.
//! Only the kind, its `/status`, and while a circuit is frozen its CRD are matched: never DELETE, and never what Kubernetes or
//! fusegate itself needs in order to start.

use fusegate_crds::AdmissionMode;
use serde_json::{Value, json};
use twox_hash::XxHash3_128;

use crate::admission::cel;
use crate::admission::evident::LONGEST;
use crate::admission::expressions::{Expressions, SUBJECT, Validation};
use crate::admission::freeze;
use crate::admission::guard::SYSTEM;
use crate::admission::message;
use crate::admission::untranslatable::Untranslatable;
use crate::condition::contract::Contract;

/// The name of the object that probes, which is never stored: a `ControllerRevision` in fusegate's own namespace.
pub(super) const PROBE: &str = "fusegate-admission-probe";

/// The annotation by which a probe says which policy must deny it.
pub(super) const PROBE_ANNOTATION: &str = "fusegate.io/admission-probe";

/// The annotation by which a person brings a bad schema back all the same; its value is the reason, and is audited.
pub(super) const BREAK_GLASS: &str = "fusegate.io/break-glass";

/// The longest name of an object.
const MOST_NAME: usize = 253;

/// What a policy is made of.
#[derive(Debug)]
pub struct Source<'a> {
    /// The contract.
    pub contract: &'a Contract,
    /// The uid of the `ConditionContract`, which owns what is made of it.
    pub uid: &'a str,
    /// What becomes of a write that breaks it.
    pub mode: AdmissionMode,
    /// The API group of its kind.
    pub group: &'a str,
    /// The version that is judged.
    pub version: &'a str,
    /// The plural of its kind, in lower case.
    pub plural: &'a str,
    /// fusegate's own namespace, whose objects are not judged.
    pub namespace: &'a str,
    /// The schemas that may not be brought back.
    pub frozen: &'a [Frozen<'a>],
}

/// A schema that may not be brought back.
#[derive(Debug)]
pub struct Frozen<'a> {
    /// The number of its revision.
    pub revision: u64,
    /// The trip whose circuit is not Closed.
    pub trip: &'a str,
    /// The spec of the CRD as it is now.
    pub live: &'a Value,
    /// The spec that may not be brought back.
    pub bad: &'a Value,
}

/// A policy with its bindings.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The name of the policy and of its binding; that of the probe's ends in `-probe`.
    pub name: String,
    /// The policy, its binding and the probe's.
    pub objects: [Value; 3],
    /// What a probe says to be denied by this very policy.
    pub marker: String,
    /// The object that probes: it is valid, and this very policy denies it.
    pub probe: Value,
    /// What it does not say of the contract.
    pub untranslatable: Vec<Untranslatable>,
}

/// The names of the policy and its bindings of a contract, in the order in which they are applied.
#[must_use]
pub fn names(contract: &str) -> [String; 3] {
    let name = name(contract);
    [name.clone(), name.clone(), format!("{name}-probe")]
}

/// The policy of a contract; `None` where its mode is Off.
#[must_use]
pub fn policy(source: &Source<'_>) -> Option<Policy> {
    let actions = match source.mode {
        AdmissionMode::Off => return None,
        AdmissionMode::Audit => json!(["Audit"]),
        AdmissionMode::Warn => json!(["Warn", "Audit"]),
        AdmissionMode::Deny => json!(["Deny", "Audit"]),
    };
    let mut expressions = Expressions::new(source.contract, subject(source));
    let frozen = freeze(source, &mut expressions);
    let (judged, probed) = (judged_rules(source, frozen), probed_rule());
    let mut spec = spec(source, &expressions, frozen);
    let marker = marker(&spec, &expressions.validations, &actions);
    expressions.validations.insert(0, denies_probe(&marker));
    let rules: Vec<&Value> = judged.iter().chain([&probed]).collect();
    let validations = expressions.validations.iter();
    let validations: Value = validations
        .map(|each| json!({"expression": each.expression, "message": each.message, "reason": "Invalid"}))
        .collect();
    put(
        &mut spec,
        "matchConstraints",
        json!({"matchPolicy": "Equivalent", "resourceRules": rules}),
    );
    put(&mut spec, "validations", validations);
    let names @ [name, ..] = &names(source.contract.name());
    let binding = |actions: Value, matched: Value| json!({"policyName": name, "validationActions": actions, "matchResources": matched});
    let elsewhere = elsewhere(source.namespace);
    let specs = [
        spec,
        binding(
            actions,
            json!({"resourceRules": judged, "namespaceSelector": elsewhere}),
        ),
        binding(json!(["Deny"]), json!({"resourceRules": [probed]})),
    ];
    let mut objects = KINDS.iter().zip(names).zip(specs);
    Some(Policy {
        objects: std::array::from_fn(|_| {
            let object = objects.next();
            object.map_or(Value::Null, |((kind, name), spec)| {
                object_of(source, kind, name, &spec)
            })
        }),
        probe: probe(source, &marker),
        name: name.clone(),
        marker,
        untranslatable: expressions.untranslatable,
    })
}

/// What is made of a contract, in the order in which it is applied.
const KINDS: [&str; 3] = [
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingAdmissionPolicyBinding",
];

/// Selects the namespaces whose objects are judged, by the label that the API server gives each. What is in no namespace it passes over.
pub(super) fn elsewhere(namespace: &str) -> Value {
    json!({"matchExpressions": [{
        "key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [namespace, SYSTEM],
    }]})
}

fn put(spec: &mut Value, field: &str, value: Value) {
    if let Some(fields) = spec.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
}

fn object_of(source: &Source<'_>, kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
        "metadata": {
            "name": name, "labels": {"app.kubernetes.io/managed-by": "fusegate"},
            "ownerReferences": [{
                "apiVersion": "fusegate.io/v1alpha1", "kind": "ConditionContract",
                "name": source.contract.name(), "uid": source.uid,
            }],
        },
        "spec": spec,
    })
}

/// The object that the policy of this marker denies, and that is valid otherwise.
fn probe(source: &Source<'_>, marker: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": 0, "data": {},
        "metadata": {"name": PROBE, "namespace": source.namespace, "annotations": {PROBE_ANNOTATION: marker}},
    })
}

/// Denies what brings a frozen schema back; whether there is any.
fn freeze(source: &Source<'_>, expressions: &mut Expressions<'_>) -> bool {
    let crd = crd(source);
    let mut frozen = false;
    for schema in source.frozen {
        if let Some(validation) = denies_schema(schema, &crd) {
            frozen = true;
            expressions.validations.push(validation);
        } else {
            let revision = schema.revision;
            expressions
                .untranslatable
                .push(Untranslatable::Freeze { revision });
        }
    }
    frozen
}

/// What is judged: the kind, and while a schema is frozen its CRD.
fn judged_rules(source: &Source<'_>, frozen: bool) -> Vec<Value> {
    let mut rules = vec![json!({
        "apiGroups": [source.group], "apiVersions": [source.version], "operations": ["CREATE", "UPDATE"],
        "resources": [source.plural, format!("{}/status", source.plural)],
    })];
    if frozen {
        rules.push(json!({
            "apiGroups": ["apiextensions.k8s.io"], "apiVersions": ["v1"], "operations": ["UPDATE"],
            "resources": ["customresourcedefinitions"], "resourceNames": [crd(source)],
        }));
    }
    rules
}

fn probed_rule() -> Value {
    json!({
        "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"],
        "resources": ["controllerrevisions"], "resourceNames": [PROBE],
    })
}

/// The policy without what it matches and what it validates.
fn spec(source: &Source<'_>, expressions: &Expressions<'_>, frozen: bool) -> Value {
    let other = other(source);
    let changed = format!("{other} || {}", expressions.doubtful(LONGEST));
    let variables = expressions.variables.list().iter();
    let variables: Vec<Value> = variables
        .map(|(name, expression)| json!({"name": name, "expression": expression}))
        .collect();
    let mut spec = json!({
        "failurePolicy": "Fail",
        "matchConditions": [{"name": "changed", "expression": changed}],
        "variables": variables,
    });
    if frozen {
        let annotation = cel::quote(BREAK_GLASS);
        let reason = format!(
            "{} && {} ? string(object.metadata.annotations[{annotation}]) : ''",
            is_crd(),
            breaks_glass()
        );
        let annotation = json!([{"key": "break-glass", "valueExpression": reason}]);
        put(&mut spec, "auditAnnotations", annotation);
    }
    spec
}

/// The name of what is made of a contract; a hash stands for the end of one that is too long.
fn name(contract: &str) -> String {
    shortened(&format!("fusegate-{contract}"), MOST_NAME - "-probe".len())
}

/// A name of at most so many bytes.
pub(super) fn shortened(name: &str, most: usize) -> String {
    if name.len() <= most {
        return name.to_owned();
    }
    let hash = format!("-{:016x}", XxHash3_128::oneshot(name.as_bytes()) >> 64);
    let start: String = name.chars().take(most.saturating_sub(hash.len())).collect();
    format!("{}{hash}", start.trim_end_matches(['.', '-']))
}

/// What tells one policy from another of the same contract.
fn marker(spec: &Value, validations: &[Validation], actions: &Value) -> String {
    let mut text = format!("{spec}{actions}");
    for each in validations {
        text.push_str(&each.expression);
        text.push_str(&each.message);
    }
    format!("{:032x}", XxHash3_128::oneshot(text.as_bytes()))
}

/// The object of a request that is about the kind, and null in any other.
fn subject(source: &Source<'_>) -> String {
    format!("{} ? null : object", other(source))
}

/// Whether a request is about something else than the kind.
fn other(source: &Source<'_>) -> String {
    format!(
        "request.resource.resource != {} || request.resource.group != {}",
        cel::quote(source.plural),
        cel::quote(source.group)
    )
}

/// The name of the kind's CRD.
fn crd(source: &Source<'_>) -> String {
    format!("{}.{}", source.plural, source.group)
}

fn is_crd() -> &'static str {
    "request.resource.resource == 'customresourcedefinitions' && request.resource.group == 'apiextensions.k8s.io'"
}

fn breaks_glass() -> String {
    format!(
        "has(object.metadata.annotations) && {} in object.metadata.annotations",
        cel::quote(BREAK_GLASS)
    )
}

/// Denies the probe of this policy.
fn denies_probe(marker: &str) -> Validation {
    let annotation = cel::quote(PROBE_ANNOTATION);
    Validation {
        expression: format!(
            "request.resource.resource != 'controllerrevisions' || request.resource.group != 'apps' \
             || {SUBJECT} != null || !has(object.metadata.annotations) || !({annotation} in object.metadata.annotations) \
             || object.metadata.annotations[{annotation}] != {}",
            cel::quote(marker)
        ),
        message: format!("probe {marker}"),
    }
}

/// Denies what brings a bad schema back.
fn denies_schema(frozen: &Frozen<'_>, crd: &str) -> Option<Validation> {
    let is_bad = freeze::is_bad("object.spec", "oldObject.spec", frozen.live, frozen.bad)?;
    Some(Validation {
        expression: format!(
            "!({}) || oldObject == null || object.spec == oldObject.spec || ({}) || !({is_bad})",
            is_crd(),
            breaks_glass()
        ),
        message: message::frozen(crd, frozen.revision, frozen.trip, BREAK_GLASS),
    })
}
