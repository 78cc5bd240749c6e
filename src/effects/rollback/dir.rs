//! Rollbacks in a directory: replaces the CRD's document in its file.

use std::io;

use serde_json::{Map, Value};

use crate::effects::delivery::Failure;
use crate::effects::documents::{Document, Wanted};
use crate::effects::folder::{Folder, read_only};
use crate::effects::revision::mark_bad_in_dir;
use crate::effects::rollback::incident::{self, Claim, Settled};
use crate::effects::rollback::stop::Stop;
use crate::effects::rollback::{RollbackBackend, put_spec, recheck};
use crate::source::dir::atomic::write_atomic;
use crate::source::dir::layout::Layout;
use crate::wire::effect::Rollback;

const CONTRACT: &str = "ConditionContract";

impl RollbackBackend for Folder {
    async fn claim(&self, rollback: &Rollback) -> Result<Claim, Stop> {
        self.step(rollback, |layout, rollback| {
            let status = status(layout, rollback)?;
            match incident::entered(&incidents(&status), rollback)? {
                Ok(list) => {
                    write_status(layout, rollback, status, list)?;
                    Ok(Claim::Mine)
                }
                Err(claim) => Ok(claim),
            }
        })
        .await
    }

    async fn live(&self, rollback: &Rollback) -> Result<Option<Value>, Stop> {
        self.step(rollback, |layout, rollback| {
            let found = find(layout, rollback)?;
            Ok(found.map(|document| as_live(document.object, rollback)))
        })
        .await
    }

    /// Reads the file again under the lock: its content must still be what was judged.
    async fn replace(&self, rollback: &Rollback, _: Value) -> Result<(), Stop> {
        self.step(rollback, |layout, rollback| {
            let Some(document) = find(layout, rollback)? else {
                return Err(io::ErrorKind::NotFound.into());
            };
            let live = as_live(document.object.clone(), rollback);
            if recheck::recheck(rollback, Some(&live)).is_err() {
                return Err(io::Error::other("the CRD's file was changed meanwhile"));
            }
            let mut object = document.object.clone();
            put_spec(&mut object, rollback);
            document.replace(&object)
        })
        .await
    }

    async fn mark_bad(&self, rollback: &Rollback) -> Result<(), Stop> {
        self.step(rollback, |layout, rollback| {
            mark_bad_in_dir(layout, &rollback.bad, &rollback.trip)
        })
        .await
    }

    async fn settle(&self, rollback: &Rollback, settled: &Settled) -> Result<(), Stop> {
        let settled = settled.clone();
        self.step(rollback, move |layout, rollback| {
            let status = status(layout, rollback)?;
            let list = incident::settled(&incidents(&status), rollback, &settled)?;
            write_status(layout, rollback, status, list)
        })
        .await
    }
}

impl Folder {
    /// Runs one step exclusively, and classifies its failure.
    async fn step<T: Send + 'static>(
        &self,
        rollback: &Rollback,
        act: impl FnOnce(&Layout, &Rollback) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Stop> {
        let owned = rollback.clone();
        let done = self.exclusively(move |layout| act(layout, &owned)).await;
        match done {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) if read_only(&error) => Err(Stop::blocked(
                "ReadOnly",
                format!(
                    "the directory is read-only ({error}), so {} is not rolled back; make it writable, or \
                     restore the schema of revision {} yourself",
                    rollback.crd.name, rollback.target.number
                ),
            )),
            Ok(Err(error)) => Err(Stop::Transient(error.to_string())),
            Err(Failure::Transient(message) | Failure::Permanent(message)) => {
                Err(Stop::Transient(message))
            }
        }
    }
}

fn find(layout: &Layout, rollback: &Rollback) -> io::Result<Option<Document>> {
    let wanted = Wanted {
        kind: "CustomResourceDefinition",
        namespace: "",
        name: &rollback.crd.name,
    };
    Document::find(layout.root(), wanted)
}

/// The CRD as an API server would show it: in a directory the name is the identity.
fn as_live(mut object: Value, rollback: &Rollback) -> Value {
    let metadata = object.get_mut("metadata").and_then(Value::as_object_mut);
    if let Some(metadata) = metadata {
        metadata.insert("uid".to_owned(), rollback.crd.uid.as_ref().into());
    }
    object
}

fn status(layout: &Layout, rollback: &Rollback) -> io::Result<Map<String, Value>> {
    let read = layout.read_status(CONTRACT, "", &rollback.contract.name);
    Ok(read.map_err(io::Error::other)?.unwrap_or_default())
}

fn incidents(status: &Map<String, Value>) -> Vec<Value> {
    let list = status.get("incidents").and_then(Value::as_array);
    list.cloned().unwrap_or_default()
}

fn write_status(
    layout: &Layout,
    rollback: &Rollback,
    mut status: Map<String, Value>,
    list: Vec<Value>,
) -> io::Result<()> {
    status.insert("incidents".to_owned(), list.into());
    let path = layout.status_path(CONTRACT, "", &rollback.contract.name);
    write_atomic(&path, &serde_json::to_vec_pretty(&status)?)
}
