//! Pods: as the kubelet reports them, under the contract and the policy that are shipped.

use std::collections::BTreeMap;
use std::sync::Arc;

use fusegate::wire::event::{
    ApiResource, Change, Document, Event, Feed, GroupKind, Meta, Object, SeenBy,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::shop;

const SHIPPED: &str = include_str!("../../../deploy/contracts/pods.yaml");

fn kind() -> GroupKind {
    GroupKind::new("", "Pod")
}

/// Everything before the Pods: the contract, the kind, the policy in each namespace, all listed.
pub(crate) fn opening(namespaces: usize) -> Vec<Event> {
    let contract = Event::Contract(Change::Applied(Document {
        meta: shop::meta("", "pods"),
        spec: Ok(Arc::new(spec("ConditionContract"))),
        status: None,
    }));
    let resource = Event::ApiResource(Change::Applied(ApiResource {
        target: kind(),
        version: "v1".into(),
        plural: "pods".into(),
        namespaced: true,
    }));
    let policy = |index| {
        Event::Policy(Change::Applied(Document {
            meta: shop::meta(&shop::namespace(index), "pods"),
            spec: Ok(Arc::new(spec("CircuitPolicy"))),
            status: None,
        }))
    };
    let mut events = vec![Event::Leading(true), contract, resource];
    events.extend((0..namespaces).map(policy));
    events.extend(shop::FEEDS.map(Event::Listed));
    events.push(Event::Listing(Feed::Objects(kind())));
    events
}

/// The list of Pods is complete, and the watch follows.
pub(crate) fn opened() -> [Event; 2] {
    let feed = Feed::Objects(kind());
    [Event::Listed(feed.clone()), Event::Confirmed(feed)]
}

/// A Pod of a Deployment that runs.
pub(crate) fn pod(index: usize, namespaces: usize) -> Event {
    let mixed = (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let labels = [
        ("app.kubernetes.io/name", "storefront".to_owned()),
        ("app.kubernetes.io/instance", format!("store-{}", index / 3)),
        ("pod-template-hash", format!("{:08x}", mixed >> 32)),
    ];
    let meta = Meta {
        name: format!("storefront-{:08x}-{:05x}", mixed >> 32, index).into(),
        uid: format!("{:08x}-0000-4000-8000-{mixed:016x}", mixed >> 32).into(),
        resource_version: (100_000_000 + index).to_string().into(),
        labels: BTreeMap::from(labels.map(|(key, value)| (key.to_owned(), value))),
        ..shop::meta(&shop::namespace(index % namespaces), "")
    };
    let object = Object {
        meta,
        status: Some(RawValue::from_string(status(index)).expect("valid JSON")),
        rest: None,
        seen_by: SeenBy::Watch,
    };
    Event::Object(kind(), Change::Applied(object))
}

fn status(index: usize) -> String {
    let condition = |kind| {
        format!(
            r#"{{"type":"{kind}","status":"True","observedGeneration":1,"lastProbeTime":null,"lastTransitionTime":"2026-11-20T10:00:31Z"}}"#
        )
    };
    let kinds = [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    ];
    let conditions = kinds.map(condition).join(",");
    format!(
        concat!(
            r#"{{"phase":"Running","observedGeneration":1,"qosClass":"Burstable","hostIP":"10.0.0.7","podIP":"10.244.{high}.{low}","#,
            r#""startTime":"2026-11-20T10:00:12Z","conditions":[{conditions}],"containerStatuses":[{{"name":"web","#,
            r#""image":"registry.example.com/storefront:1.4.2","imageID":"registry.example.com/storefront@sha256:0123456789abcdef","#,
            r#""ready":true,"started":true,"restartCount":0,"state":{{"running":{{"startedAt":"2026-11-20T10:00:30Z"}}}}}}]}}"#
        ),
        high = index / 256 % 256,
        low = index % 256,
        conditions = conditions,
    )
}

/// The spec of what is shipped.
fn spec<T: DeserializeOwned>(kind: &str) -> T {
    let documents: Vec<Value> = serde_saphyr::from_multiple(SHIPPED).expect("valid YAML");
    let mut documents = documents.into_iter();
    let found = documents.find(|document| document["kind"] == kind);
    let mut found = found.expect("it is shipped");
    serde_json::from_value(found["spec"].take()).expect("a spec")
}
