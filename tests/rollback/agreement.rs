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
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::place::version;
use crate::support::{
    servers::apiserver::{ApiServer, unique},
    wait::eventually,
};

const SOON: Duration = Duration::from_mins(2);

/// A schema, and a value that fits it or not.
#[derive(Deserialize)]
struct Case {
    schema: Value,
    value: Value,
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
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let loose = crd(&group, &anything);
    let definition: CustomResourceDefinition = serde_json::from_value(loose.clone())?;
    server.establish(&definition).await?;
    let kind = GroupVersionKind::gvk(&group, "v1", "Foo");
    let resource = ApiResource::from_gvk_with_plural(&kind, "foos");
    let foos: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
    let cases: Vec<Case> = serde_saphyr::from_str(include_str!("agreement.yaml"))?;
    let mut properties = Map::new();
    for (number, Case { schema, value }) in cases.iter().enumerate() {
        let object = object(&group, number, value)?;
        foos.create(&PostParams::default(), &object).await?;
        properties.insert(format!("p{number}"), schema.clone());
    }
    let strict = crd(&group, &json!({"type": "object", "properties": properties}));
    tighten(&client, &strict, &foos).await?;
    let ratcheting = Ratcheting {
        objects: true,
        statuses: true,
    };
    let judge = Judge::new(&loose["spec"], &strict["spec"], "v1", ratcheting).expect("a version");
    let mut wrong = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let object = object(&group, number, &case.value)?;
        wrong.extend(disagreement(&foos, &judge, case, &object).await?);
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Where the judge and the API server come to different ends about an object, if they do.
async fn disagreement(
    foos: &Api<DynamicObject>,
    judge: &Judge,
    Case { schema, value }: &Case,
    object: &DynamicObject,
) -> Result<Option<String>> {
    let harms = judge.harms(&serde_json::to_value(object)?);
    let has = |kind| harms.iter().any(|harm| harm.kind == kind);
    // A rule over oldSelf judges no object that is created.
    let refuses_new = |harm: &Harm| {
        harm.kind == Kind::NotCreatable
            || harm.kind == Kind::NotWritable && !harm.keyword.contains("oldSelf")
    };
    let foretold = [
        !harms.iter().any(refuses_new),
        !has(Kind::NotWritable),
        has(Kind::Lost),
    ];
    let name = object.name_any();
    // The API server prunes what it reads, too.
    let read = foos.get(&name).await?;
    let lost = !contains(&read.data["spec"], &object.data["spec"]);
    let seen = [
        creates(foos, object).await?,
        updates(foos, &name).await?,
        lost,
    ];
    // Kubernetes 1.32 takes numbers that are too large for their format.
    let is_laxer = schema["format"] == "int32" && seen == [true, true, false];
    Ok((seen != foretold && !is_laxer).then(|| {
        format!(
            "{schema} {value}: created, updated, lost {seen:?}, foretold {foretold:?} by {harms:?}"
        )
    }))
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
