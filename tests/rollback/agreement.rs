//! Agreement: our judge and the API server come to the same about the same object.
//!
//! Each case is a property of one CRD. An object that has it is created while everything is allowed, and then the schema
//! is tightened: what the API server then does to it, and to another one like it, is what the judge must have foretold.

use std::time::Duration;

use anyhow::{Result, ensure};
use fusegate::revision::judge::{Harm, Judge, Kind, Ratcheting};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use serde_json::{Map, Value, json};

use super::place::version;
use crate::support::{
    servers::apiserver::{ApiServer, unique},
    wait::eventually,
};

const SOON: Duration = Duration::from_mins(2);

/// Schemas, and values that fit them or not.
fn cases() -> Vec<(Value, Value)> {
    let text = |more: Value| with(json!({"type": "string"}), more);
    let number = |more: Value| with(json!({"type": "number"}), more);
    let list =
        |items: &str, more: Value| with(json!({"type": "array", "items": {"type": items}}), more);
    let format = |name: &str| text(json!({"format": name}));
    vec![
        (json!({"type": "integer"}), json!(4)),
        (json!({"type": "integer"}), json!(4.0)),
        (json!({"type": "integer"}), json!(4.5)),
        (json!({"type": "integer"}), json!("4")),
        (json!({"type": "boolean"}), json!(1)),
        (
            json!({"type": "integer", "format": "int32"}),
            json!(3_000_000_000_u64),
        ),
        (json!({"type": "string"}), json!(null)),
        (json!({"type": "string", "nullable": true}), json!(null)),
        (
            json!({"type": "string", "nullable": true, "enum": ["a"]}),
            json!(null),
        ),
        (json!({"type": "string", "default": "a"}), json!(null)),
        (json!({"x-kubernetes-int-or-string": true}), json!("5%")),
        (json!({"x-kubernetes-int-or-string": true}), json!(5)),
        (json!({"x-kubernetes-int-or-string": true}), json!(true)),
        (text(json!({"enum": ["a", "b"]})), json!("b")),
        (text(json!({"enum": ["a", "b"]})), json!("c")),
        (number(json!({"enum": [1]})), json!(1.0)),
        (text(json!({"maxLength": 2})), json!("éé")),
        (text(json!({"maxLength": 2})), json!("ééé")),
        (text(json!({"minLength": 3})), json!("éé")),
        (text(json!({"pattern": "^a+$"})), json!("aaa")),
        (text(json!({"pattern": "^a+$"})), json!("b")),
        (text(json!({"pattern": "b"})), json!("abc")),
        (text(json!({"pattern": r"^\w+$"})), json!("é")),
        (text(json!({"pattern": r"^[[\w.-]+$"})), json!("[a-b.c")),
        (number(json!({"maximum": 3})), json!(3)),
        (
            number(json!({"maximum": 3, "exclusiveMaximum": true})),
            json!(3),
        ),
        (number(json!({"minimum": 3})), json!(2.9)),
        (number(json!({"multipleOf": 0.1})), json!(0.3)),
        (number(json!({"multipleOf": 0.5})), json!(0.7)),
        (json!({"type": "integer", "multipleOf": 3}), json!(7)),
        (list("integer", json!({"maxItems": 1})), json!([1, 2])),
        (list("integer", json!({"minItems": 1})), json!([])),
        (list("string", json!({})), json!(["a", null])),
        (
            list("string", json!({"x-kubernetes-list-type": "set"})),
            json!(["a", "a"]),
        ),
        (
            list("string", json!({"x-kubernetes-list-type": "set"})),
            json!(["a", "b"]),
        ),
        (
            json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"],
            "items": {"type": "object", "required": ["n"], "properties": {"n": {"type": "string"}}}}),
            json!([{"n": "a"}, {"n": "a"}]),
        ),
        (
            json!({"type": "object", "maxProperties": 1, "additionalProperties": {"type": "string"}}),
            json!({"a": "1", "b": "2"}),
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            json!({"a": 1}),
        ),
        (
            json!({"type": "object", "additionalProperties": {"type": "object"}}),
            json!({"a": {"x": 1}}),
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}}}),
            json!({"a": "1", "b": 2}),
        ),
        (
            json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}),
            json!({}),
        ),
        (
            json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string", "default": "x"}}}),
            json!({}),
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "x-kubernetes-preserve-unknown-fields": true}),
            json!({"a": "1", "b": {"c": 2}}),
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "object"}}, "x-kubernetes-preserve-unknown-fields": true}),
            json!({"a": {"x": 1}, "b": {"c": 2}}),
        ),
        (
            json!({"type": "array", "x-kubernetes-preserve-unknown-fields": true, "items": {"type": "object"}}),
            json!([{"x": 1}]),
        ),
        (
            json!({"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"y": {"type": "string"}}}),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"x": 1}}),
        ),
        (
            json!({"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true}),
            json!({"metadata": {"name": "a"}}),
        ),
        (
            text(json!({"anyOf": [{"pattern": "^a"}, {"pattern": "^b"}]})),
            json!("c"),
        ),
        (
            text(json!({"anyOf": [{"pattern": "^a"}, {"pattern": "^b"}]})),
            json!("b"),
        ),
        (
            text(json!({"oneOf": [{"pattern": "^a"}, {"pattern": "b$"}]})),
            json!("ab"),
        ),
        (
            text(json!({"allOf": [{"maxLength": 3}, {"pattern": "^a"}]})),
            json!("b"),
        ),
        (text(json!({"not": {"pattern": "^a"}})), json!("ab")),
        (format("date-time"), json!("2026-11-22T14:05:28Z")),
        (format("date-time"), json!("2026-11-22T14:05:28.123+01:00")),
        (format("date-time"), json!("2026-11-22 14:05:28")),
        (format("date-time"), json!("2026-13-22T14:05:28Z")),
        (format("date"), json!("2026-02-30")),
        (format("date"), json!("2026-02-28")),
        (format("duration"), json!("1h30m")),
        (format("duration"), json!("3 days")),
        (format("duration"), json!("soon")),
        (format("ipv4"), json!("10.0.0.1")),
        (format("ipv4"), json!("10.0.0.256")),
        (format("ipv6"), json!("::1")),
        (format("ipv6"), json!("10.0.0.1")),
        (format("cidr"), json!("10.0.0.0/33")),
        (format("cidr"), json!("10.0.0.0/8")),
        (
            format("uuid"),
            json!("1B4E28BA-2fa1-11d2-883f-0016d3cca427"),
        ),
        (
            format("uuid4"),
            json!("1b4e28ba-2fa1-11d2-883f-0016d3cca427"),
        ),
        (format("byte"), json!("aGk=")),
        (format("byte"), json!("")),
        (format("byte"), json!("no base64")),
        (format("quantity"), json!("anything")),
        (
            json!({"type": "object", "properties": {"a": {"type": "integer"}},
            "x-kubernetes-validations": [{"rule": "self.a < 5"}]}),
            json!({"a": 7}),
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "integer"}},
            "x-kubernetes-validations": [{"rule": "self.a < 5"}]}),
            json!({"a": 3}),
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "integer"}},
            "x-kubernetes-validations": [{"rule": "self.a > oldSelf.a"}]}),
            json!({"a": 3}),
        ),
    ]
}

fn with(mut schema: Value, more: Value) -> Value {
    if let (Some(schema), Value::Object(more)) = (schema.as_object_mut(), more) {
        schema.extend(more);
    }
    schema
}

fn crd(group: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("foos.{group}")},
        "spec": {"group": group, "scope": "Namespaced", "names": {"kind": "Foo", "plural": "foos"},
            "versions": [version("v1", spec, true)]},
    })
}

#[tokio::test]
async fn the_judge_foretells_what_the_api_server_does() -> Result<()> {
    let server = ApiServer::shared().await?;
    let client = server.client().await?;
    let namespace = server.namespace("agreement").await?;
    let group = format!("{}.example.com", unique("agreement"));
    let loose = crd(
        &group,
        &json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
    );
    server
        .establish(&serde_json::from_value::<CustomResourceDefinition>(
            loose.clone(),
        )?)
        .await?;
    let kind = GroupVersionKind::gvk(&group, "v1", "Foo");
    let resource = ApiResource::from_gvk_with_plural(&kind, "foos");
    let foos: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
    let cases = cases();
    for (number, (_, value)) in cases.iter().enumerate() {
        foos.create(&PostParams::default(), &object(&group, number, value)?)
            .await?;
    }
    let properties: Map<String, Value> = cases
        .iter()
        .enumerate()
        .map(|(number, (schema, _))| (format!("p{number}"), schema.clone()))
        .collect();
    let strict = crd(&group, &json!({"type": "object", "properties": properties}));
    tighten(&client, &strict, &foos).await?;
    let ratcheting = Ratcheting {
        objects: true,
        statuses: true,
    };
    let judge = Judge::new(&loose["spec"], &strict["spec"], "v1", ratcheting).expect("a version");
    let mut wrong = Vec::new();
    for (number, (schema, value)) in cases.iter().enumerate() {
        let object = object(&group, number, value)?;
        let harms = judge.harms(&serde_json::to_value(&object)?);
        let kinds: Vec<_> = harms.iter().map(|harm| harm.kind).collect();
        // A rule over oldSelf judges no object that is created.
        let refuses_new = |harm: &Harm| {
            harm.kind == Kind::NotCreatable
                || harm.kind == Kind::NotWritable && !harm.keyword.contains("oldSelf")
        };
        let foretold = [
            !harms.iter().any(refuses_new),
            !kinds.contains(&Kind::NotWritable),
        ];
        let seen = [
            creates(&foos, &object).await?,
            updates(&foos, &object.name_any()).await?,
        ];
        // Kubernetes 1.32 takes numbers that are too large for their format.
        let was_laxer = schema["format"] == "int32" && seen == [true, true];
        if seen != foretold && !was_laxer {
            wrong.push(format!(
                "{schema} {value}: created, updated {seen:?}, foretold {foretold:?} by {kinds:?}"
            ));
        }
        // The API server prunes what it reads, too.
        let read = foos.get(&object.name_any()).await?;
        let lost = !contains(&read.data["spec"], &object.data["spec"]);
        if lost != kinds.contains(&Kind::Lost) {
            wrong.push(format!(
                "{schema} {value}: read as {}, foretold {kinds:?}",
                read.data["spec"]
            ));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn object(group: &str, number: usize, value: &Value) -> Result<DynamicObject> {
    Ok(serde_json::from_value(json!({
        "apiVersion": format!("{group}/v1"), "kind": "Foo", "metadata": {"name": format!("foo-{number}")},
        "spec": {format!("p{number}"): value},
    }))?)
}

/// Applies the strict schema and waits until it is what is judged by.
async fn tighten(client: &Client, strict: &Value, foos: &Api<DynamicObject>) -> Result<()> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let name = strict["metadata"]["name"].as_str().unwrap_or_default();
    crds.patch(
        name,
        &PatchParams::apply("test").force(),
        &Patch::Apply(strict),
    )
    .await?;
    eventually("the strict schema to be served", SOON, async || {
        let mut object: DynamicObject = foos.get("foo-0").await?;
        object.metadata = kube::api::ObjectMeta {
            name: Some(unique("trial")),
            ..Default::default()
        };
        object.data["spec"] = json!({"unknown": 1});
        let trial = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let created = foos.create(&trial, &object).await?;
        ensure!(created.data["spec"] == json!({}) || created.data["spec"].get("unknown").is_none());
        Ok(())
    })
    .await
}

/// Whether an object like this one can be created.
async fn creates(foos: &Api<DynamicObject>, object: &DynamicObject) -> Result<bool> {
    let mut object = object.clone();
    object.metadata.name = Some(unique("again"));
    let trial = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    accepted(foos.create(&trial, &object).await)
}

/// Whether an object can get a label.
async fn updates(foos: &Api<DynamicObject>, name: &str) -> Result<bool> {
    let mut object = foos.get(name).await?;
    object
        .labels_mut()
        .insert("touched".to_owned(), "yes".to_owned());
    let trial = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    accepted(foos.replace(name, &trial, &object).await)
}

fn accepted<T>(answer: kube::Result<T>) -> Result<bool> {
    match answer {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 422 => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether a value has all of another one; a null counts for nothing.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (_, Value::Null) => true,
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(name, value)| contains(whole.get(name).unwrap_or(&Value::Null), value)),
        (Value::Array(whole), Value::Array(part)) => {
            whole.len() == part.len()
                && whole
                    .iter()
                    .zip(part)
                    .all(|(whole, part)| contains(whole, part))
        }
        (whole, part) => whole == part || whole.as_f64() == part.as_f64() && part.is_number(),
    }
}
