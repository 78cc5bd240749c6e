//! Rollbacks in a directory: the document of the CRD is replaced in its file.

use std::io;

use serde_json::{Map, Value};

use crate::effects::courier::Failure;
use crate::effects::documents::{Document, Wanted};
use crate::effects::folder::{Folder, read_only};
use crate::effects::revision::mark_bad_in_dir;
use crate::effects::rollback::incident::{self, Claim, Settled};
use crate::effects::rollback::{Ground, Stop, judge, put_spec};
use crate::source::dir::atomic::write_atomic;
use crate::source::dir::layout::Layout;
use crate::wire::effect::Rollback;

const CONTRACT: &str = "ConditionContract";

impl Ground for Folder {
    async fn claim(&self, order: &Rollback) -> Result<Claim, Stop> {
        self.step(order, |layout, order| {
            let status = status(layout, order)?;
            match incident::entered(&incidents(&status), order)? {
                Ok(list) => {
                    write_status(layout, order, status, list)?;
                    Ok(Claim::Mine)
                }
                Err(claim) => Ok(claim),
            }
        })
        .await
    }

    async fn live(&self, order: &Rollback) -> Result<Option<Value>, Stop> {
        self.step(order, |layout, order| {
            let found = find(layout, order)?;
            Ok(found.map(|document| as_live(document.object, order)))
        })
        .await
    }

    /// The file is read once more under the lock; what is in it by now must still be what was judged.
    async fn replace(&self, order: &Rollback, _: Value) -> Result<(), Stop> {
        self.step(order, |layout, order| {
            let Some(document) = find(layout, order)? else {
                return Err(io::ErrorKind::NotFound.into());
            };
            let live = as_live(document.object.clone(), order);
            if judge::judge(order, Some(&live)).is_err() {
                return Err(io::Error::other("the CRD's file was changed just now"));
            }
            let mut object = document.object.clone();
            put_spec(&mut object, order);
            document.replace(&object)
        })
        .await
    }

    async fn mark_bad(&self, order: &Rollback) -> Result<(), Stop> {
        self.step(order, |layout, order| {
            mark_bad_in_dir(layout, &order.bad, &order.trip)
        })
        .await
    }

    async fn settle(&self, order: &Rollback, settled: &Settled) -> Result<(), Stop> {
        let settled = settled.clone();
        self.step(order, move |layout, order| {
            let status = status(layout, order)?;
            let list = incident::settled(&incidents(&status), order, &settled)?;
            write_status(layout, order, status, list)
        })
        .await
    }
}

impl Folder {
    /// One step, alone, with what went wrong told apart.
    async fn step<T: Send + 'static>(
        &self,
        order: &Rollback,
        act: impl FnOnce(&Layout, &Rollback) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Stop> {
        let owned = order.clone();
        let done = self.alone(move |layout| act(layout, &owned)).await;
        match done {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) if read_only(&error) => Err(Stop::blocked(
                "ReadOnly",
                format!(
                    "the directory can't be written ({error}), so {} stays as it is; make it writable, or \
                     put the schema of revision {} back yourself",
                    order.crd.name, order.target.number
                ),
            )),
            Ok(Err(error)) => Err(Stop::Transient(error.to_string())),
            Err(Failure::Transient(message) | Failure::Permanent(message)) => {
                Err(Stop::Transient(message))
            }
        }
    }
}

fn find(layout: &Layout, order: &Rollback) -> io::Result<Option<Document>> {
    let wanted = Wanted {
        kind: "CustomResourceDefinition",
        namespace: "",
        name: &order.crd.name,
    };
    Document::find(layout.root(), wanted)
}

/// The CRD as an API server would show it: in a directory the name is the identity.
fn as_live(mut object: Value, order: &Rollback) -> Value {
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    if let Some(metadata) = metadata {
        metadata.insert("uid".to_owned(), order.crd.uid.as_ref().into());
    }
    object
}

fn status(layout: &Layout, order: &Rollback) -> io::Result<Map<String, Value>> {
    let read = layout.read_status(CONTRACT, "", &order.contract.name);
    Ok(read.map_err(io::Error::other)?.unwrap_or_default())
}

fn incidents(status: &Map<String, Value>) -> Vec<Value> {
    let list = status.get("incidents").and_then(Value::as_array);
    list.cloned().unwrap_or_default()
}

fn write_status(
    layout: &Layout,
    order: &Rollback,
    mut status: Map<String, Value>,
    list: Vec<Value>,
) -> io::Result<()> {
    status.insert("incidents".to_owned(), list.into());
    let path = layout.status_path(CONTRACT, "", &order.contract.name);
    write_atomic(&path, &serde_json::to_vec_pretty(&status)?)
}
