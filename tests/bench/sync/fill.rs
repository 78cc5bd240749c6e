//! Filling: so many objects, written straight into etcd.
//!
//! The first object and its status are written by the API server. The others are what that shows,
//! under other names, with other uids and other values. The API server finds them like its own (it reads JSON
//! where it writes Protobuf), and a hundred thousand take seconds instead of the minutes that as many requests would.

use anyhow::{Context, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::kind::{Kind, labels};
use super::shop::{EACH, Shop, name, namespace};
use crate::harness::support::servers::apiserver::ApiServer;

/// etcd's limit for one transaction.
const BATCH: usize = 128;

/// Transactions at the same time.
const AT_ONCE: usize = 4;

/// Writes objects 1 up to `objects`; the revision at which all are there.
pub(crate) async fn fill(api: &ApiServer, shop: &Shop, kind: Kind, objects: usize) -> Result<i64> {
    let mut first = shop.first().await?;
    first.metadata.resource_version = None;
    let template = serde_json::to_value(first)?;
    println!(
        "writing {objects} objects into etcd, {} bytes each",
        template.to_string().len()
    );
    let starts = (1..objects).step_by(BATCH);
    let mut writes = stream::iter(starts)
        .map(|start| {
            let batch = start..objects.min(start + BATCH);
            let puts: Result<Vec<Value>> = batch.map(|index| put(kind, &template, index)).collect();
            async move { api.etcd("txn", &json!({"success": puts?})).await }
        })
        .buffer_unordered(AT_ONCE);
    let (mut done, mut revision) = (1, 0);
    while let Some(answer) = writes.try_next().await? {
        revision = revision.max(revision_of(&answer)?);
        done += BATCH;
        if done % 10_000 < BATCH {
            println!("  {} of {objects}", done.min(objects));
        }
    }
    Ok(revision)
}

fn put(kind: Kind, template: &Value, index: usize) -> Result<Value> {
    let mut object = template.clone();
    let metadata = &mut object["metadata"];
    let mixed = (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    metadata["name"] = json!(name(index));
    metadata["namespace"] = json!(namespace(index / EACH));
    metadata["uid"] = json!(format!("{:08x}-0000-4000-8000-{:012x}", index, mixed >> 16));
    metadata["labels"] = labels(&name(index));
    object["status"] = kind.status(index, Timestamp::now());
    let value = ByteString(serde_json::to_vec(&object)?);
    Ok(json!({"requestPut": {"key": key(kind, index)?, "value": value}}))
}

fn key(kind: Kind, index: usize) -> Result<Value> {
    let key = format!(
        "{}{}/{}",
        kind.prefix(),
        namespace(index / EACH),
        name(index)
    );
    Ok(serde_json::to_value(ByteString(key.into_bytes()))?)
}

fn revision_of(answer: &Value) -> Result<i64> {
    let revision = answer["header"]["revision"].as_str();
    Ok(revision.context("no revision")?.parse()?)
}
