//! The API server of the harness: it takes objects and tells of them, outlives tests, and can be stopped and frozen.

use std::{net::TcpStream, thread, time::Duration};

use anyhow::{Context as _, Result, bail};
use futures::StreamExt as _;
use k8s_openapi::{
    api::core::v1::Namespace,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams, WatchEvent, WatchParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};

use super::SOON;
use crate::support::servers::apiserver::{ApiServer, unique};

/// A CRD of its own group, with a status subresource that takes any conditions map.
fn widget_crd(group: &str) -> Result<CustomResourceDefinition> {
    Ok(serde_json::from_value(json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("widgets.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object"},
                    "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                }}},
            }],
        },
    }))?)
}

fn widget(group: &str) -> (ApiResource, DynamicObject) {
    let resource =
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", "Widget"), "widgets");
    let object = DynamicObject::new("one", &resource).data(json!({"spec": {}}));
    (resource, object)
}

async fn next_status(
    events: &mut (impl futures::Stream<Item = kube::Result<WatchEvent<DynamicObject>>> + Unpin),
) -> Result<Value> {
    loop {
        let event = tokio::time::timeout(SOON, events.next()).await;
        match event.context("no event came in time")? {
            Some(Ok(WatchEvent::Modified(object))) => return Ok(object.data["status"].clone()),
            Some(Ok(_)) => {}
            other => bail!("the watch ended: {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_api_server_takes_a_crd_and_a_watch_sees_a_status_patch() -> Result<()> {
    let server = ApiServer::shared().await?;
    let client = server.client().await?;
    let namespace = server.namespace("harness").await?;
    let group = format!("{}.example.com", unique("harness"));
    server.establish(&widget_crd(&group)?).await?;
    let (resource, object) = widget(&group);
    let widgets = Api::<DynamicObject>::namespaced_with(client, &namespace, &resource);
    let created = widgets.create(&PostParams::default(), &object).await?;
    let version = created.metadata.resource_version.unwrap_or_default();
    let mut events = Box::pin(widgets.watch(&WatchParams::default(), &version).await?);

    let status = json!({"conditions": {"network-latency": "120ms"}});
    let patch = Patch::Merge(json!({"status": status}));
    widgets
        .patch_status("one", &PatchParams::default(), &patch)
        .await?;

    assert_eq!(next_status(&mut events).await?, status);
    Ok(())
}

#[tokio::test]
async fn the_shared_api_server_outlives_the_test_that_started_it() -> Result<()> {
    // Each test has a thread and a runtime of its own; these two stand for tests that come one after the other.
    for _ in 0..2 {
        let used = thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let client = ApiServer::shared().await?.client().await?;
                client.apiserver_version().await?;
                anyhow::Ok(())
            })
        });
        used.join().unwrap()?;
    }
    Ok(())
}

#[tokio::test]
async fn an_api_server_keeps_its_data_and_hangs_while_etcd_is_paused() -> Result<()> {
    let mut server = ApiServer::start().await?;
    let namespace = server.namespace("kept").await?;
    let namespaces: Api<Namespace> = Api::all(server.client().await?);

    server.stop_apiserver()?;
    let address = server.url().replace("https://", "");
    assert!(TcpStream::connect(&address).is_err());
    server.start_apiserver().await?;
    assert_eq!(
        namespaces.get(&namespace).await?.metadata.name,
        Some(namespace.clone())
    );

    server.pause_etcd().await?;
    let while_paused = tokio::time::timeout(Duration::from_secs(1), namespaces.get(&namespace));
    if let Ok(answer) = while_paused.await {
        bail!("a read was answered: {answer:?}");
    }
    server.resume_etcd()?;
    tokio::time::timeout(SOON, namespaces.get(&namespace)).await??;

    drop(server);
    assert!(TcpStream::connect(&address).is_err());
    Ok(())
}
