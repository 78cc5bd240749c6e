//! The largest contracts: their policies stay within what the API server lets expressions cost, and deny nothing legal.

use anyhow::{Result, bail, ensure};
use fusegate::{
    breaker::time::Span,
    source::queue,
    wire::{effect::Effect, event::AdmissionEnd},
};
use fusegate_crds::AdmissionMode;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Error,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use rstest::rstest;
use serde_json::{Map, Value, json};

use super::{Judged, end, order};
use crate::effects_kube::dispatcher;
use crate::support::servers::apiserver::{ApiServer, unique};

/// As many keys as a contract declares at the most, each as long as can be.
const KEYS: usize = 64;
const KEY_LENGTH: usize = 253;

fn key(index: usize) -> String {
    let name = format!("{index:02}-{}", "k".repeat(60));
    let prefix = "p".repeat(KEY_LENGTH - 1 - name.len());
    format!("{prefix}/{name}")
}

/// A contract of conditions of these types, in turn, with every limit at its end.
fn largest(types: &[Value], place: Option<&str>) -> Value {
    let conditions = (0..KEYS).zip(types.iter().cycle()).map(|(index, type_)| {
        let mut condition = type_.clone();
        condition["key"] = json!(key(index));
        if let Some(place) = place {
            condition["key"] = json!(format!("{index:02}.*"));
            condition["from"] = json!({"path": format!(".status.{place}.k{index:02}.*")});
        }
        condition
    });
    json!({
        "conditions": conditions.collect::<Vec<_>>(), "unknownKeys": "Reject",
        "limits": {"maxEntries": 64, "maxDepth": 8, "maxKeyLength": KEY_LENGTH, "maxValueBytes": 32_768},
    })
}

fn durations() -> Vec<Value> {
    vec![json!({"type": "Duration", "minimum": "0s", "maximum": "60s"})]
}

/// Whatever is matched or compared with much.
fn every_type() -> Vec<Value> {
    let values: Vec<String> = (0..32).map(|value| format!("{value:063}")).collect();
    vec![
        json!({"type": "Quantity", "minimum": "1Ki", "maximum": "2Gi"}),
        json!({"type": "Integer", "minimum": -3, "maximum": 100}),
        json!({"type": "Percent"}),
        json!({"type": "Enum", "values": values}),
    ]
}

/// Legal values of these types, of about so many characters.
fn legal(type_: &Value, length: usize) -> Value {
    let number = "0".repeat(length) + "1";
    match type_["type"].as_str() {
        Some("Duration") => json!(number + "ms"),
        Some("Quantity") => json!(number + "Mi"),
        Some("Percent") => json!(number + "%"),
        Some("Enum") => type_["values"][31].clone(),
        _ => json!(number),
    }
}

fn map(types: &[Value], length: usize) -> Value {
    let entries = (0..KEYS).zip(types.iter().cycle());
    let entries = entries.map(|(index, type_)| (key(index), legal(type_, length)));
    json!({"conditions": entries.collect::<Map<_, _>>()})
}

fn list(types: &[Value], length: usize) -> Value {
    let items = (0..KEYS)
        .zip(types.iter().cycle())
        .map(|(index, type_)| json!({"type": key(index), "status": legal(type_, length)}));
    json!({"conditions": items.collect::<Vec<_>>()})
}

/// All values that may stand at places, at the last of them.
fn places(place: &str, types: &[Value], length: usize) -> Value {
    let last = &types[(KEYS - 1) % types.len()];
    let values = (0..KEYS).map(|index| (format!("v{index}"), legal(last, length)));
    json!({place: {format!("k{:02}", KEYS - 1): values.collect::<Map<_, _>>()}})
}

/// A kind that holds whatever is written.
async fn establish(server: &ApiServer, group: &str) -> Result<()> {
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let crd: CustomResourceDefinition = serde_json::from_value(json!({
        "metadata": {"name": format!("foos.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced", "names": {"plural": "foos", "kind": "Judged"},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"status": anything}}}}],
        },
    }))?;
    server.establish(&crd).await
}

/// Waits until the policy is enforced, which is tried again where the API server is too busy to compile it in time.
async fn enforced(ends: &mut queue::Receiver) -> Result<()> {
    let mut failed = None;
    for _ in 0..4 {
        match end(ends).await? {
            AdmissionEnd::Enforced => return Ok(()),
            other @ AdmissionEnd::Failed { .. } => failed = Some(other),
        }
    }
    bail!("{failed:?}")
}

#[rstest]
#[case::durations_in_a_map(durations(), None, map)]
#[case::durations_in_a_list(durations(), None, list)]
#[case::every_type_in_a_map(every_type(), None, map)]
#[case::every_type_in_a_list(every_type(), None, list)]
#[case::durations_at_places(durations(), Some("places"), |types: &[Value], length| places("places", types, length))]
#[tokio::test]
async fn the_largest_legal_object_passes_and_an_illegal_one_is_told_why(
    #[case] types: Vec<Value>,
    #[case] place: Option<&'static str>,
    #[case] status: fn(&[Value], usize) -> Value,
) -> Result<()> {
    let server = ApiServer::shared().await?;
    let (own, shop) = (
        server.namespace("admission").await?,
        server.namespace("shop").await?,
    );
    let client = server.client().await?;
    let (dispatcher, mut ends) = dispatcher(client.clone(), &own)?;
    let group = format!("{}.example.com", unique("largest"));
    establish(server, &group).await?;
    let judged = Judged {
        group: group.clone(),
        plural: "foos",
        spec: largest(&types, place),
        mode: AdmissionMode::Deny,
    };
    dispatcher.dispatch(Effect::Admission(Box::new(order(&judged, &own)?)));
    enforced(&mut ends).await?;

    let kind = GroupVersionKind::gvk(&group, "v1", "Judged");
    let resource = ApiResource::from_gvk_with_plural(&kind, "foos");
    let objects: Api<DynamicObject> = Api::namespaced_with(client, &shop, &resource);
    let object = DynamicObject::new("front", &resource);
    objects.create(&PostParams::default(), &object).await?;
    let write = async |status: Value| {
        let patch = Patch::Merge(json!({"status": status}));
        let params = PatchParams::default();
        objects.patch_status("front", &params, &patch).await
    };
    // The longest that is matched, and the longest that the API server stores.
    for length in [1_000, 20_000] {
        write(status(&types, length)).await?;
    }
    let conditions = json!({"conditions": {key(KEYS - 1): true}});
    let illegal = place.map_or(
        conditions,
        |place| json!({place: {format!("k{:02}", KEYS - 1): {"v0": true}}}),
    );
    match write(illegal).await {
        Err(Error::Api(status)) => {
            let says = format!(
                "key \"{}",
                place.map_or(key(KEYS - 1), |_| "63.*".to_owned())
            );
            ensure!(status.message.contains(&says), "{}", status.message);
        }
        other => bail!("{other:?}"),
    }
    dispatcher.drain(Span::from_secs(20)).await;
    Ok(())
}
