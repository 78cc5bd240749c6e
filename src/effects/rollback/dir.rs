//! Rollbacks in a directory: replaces the CRD's document in its file.

use std::io;

use fusegate_crds::{IncidentRecord, Time};
use serde_json::{Map, Value};

use crate::effects::cluster::{Cursor, Page};
use crate::effects::delivery::Failure;
use crate::effects::documents::{Document, Wanted};
use crate::effects::folder::{Folder, read_only};
use crate::effects::revision::{list_in_dir, mark_bad_in_dir};
use crate::effects::rollback::backend::RollbackBackend;
use crate::effects::rollback::incident::{self, Claim, Settled};
use crate::effects::rollback::stop::Stop;
use crate::effects::rollback::{put_spec, recheck};
use crate::revision::judge::Ratcheting;
use crate::source::dir::atomic::write_atomic;
use crate::source::dir::layout::Layout;
use crate::wire::effect::Rollback;

const CONTRACT: &str = "ConditionContract";

impl RollbackBackend for Folder {
    async fn claim(
        &self,
        rollback: &Rollback,
        returned: Option<&str>,
        now: Option<Time>,
    ) -> Result<Claim, Stop> {
        let returned = returned.map(str::to_owned);
        self.step(rollback, move |layout, rollback| {
            let status = status(layout, rollback)?;
            let returned = returned.as_deref();
            let (claim, list) = incident::entered(&incidents(&status), rollback, returned, now)?;
            if let Some(list) = list {
                write_status(layout, rollback, status, list)?;
            }
            Ok(claim)
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

    /// Nobody but the next reader of the file could refuse it.
    async fn rehearse(&self, _: &Rollback, _: Value) -> Result<&'static str, Stop> {
        Ok("there is no API server to ask")
    }

    async fn migration(&self, _: &Rollback) -> Result<Option<String>, Stop> {
        Ok(None)
    }

    /// Files may be applied to any API server.
    async fn ratcheting(&self) -> Result<Ratcheting, Stop> {
        Ok(Ratcheting {
            objects: false,
            statuses: false,
        })
    }

    /// A directory has one page. A file has its object in one version, and only that one is judged.
    async fn page(
        &self,
        rollback: &Rollback,
        version: &str,
        _: Option<Cursor>,
    ) -> Result<Page<Value>, Stop> {
        let version = version.to_owned();
        self.step(rollback, move |layout, rollback| {
            let spec = &rollback.target.spec;
            let text = |pointer| {
                spec.pointer(pointer)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            let mut objects = Document::all(layout.root(), text("/names/kind"))?;
            let api_version = format!("{}/{version}", text("/group"));
            objects.retain(|object| {
                object.get("apiVersion").and_then(Value::as_str) == Some(&api_version)
            });
            Ok(Page {
                items: objects,
                next: None,
                remaining: 0,
            })
        })
        .await
    }

    /// Files are not converted.
    async fn convert(&self, _: &Rollback, _: &Value) -> Result<(), Stop> {
        Ok(())
    }

    async fn is_recorded(&self, rollback: &Rollback) -> Result<bool, Stop> {
        self.step(rollback, |layout, rollback| {
            let stored = list_in_dir(layout, &rollback.crd.name)?;
            Ok(stored
                .iter()
                .any(|stored| stored.hash == rollback.target.hash))
        })
        .await
    }

    async fn incidents(&self, rollback: &Rollback) -> Result<Vec<IncidentRecord>, Stop> {
        self.step(rollback, |layout, rollback| {
            let list = incidents(&status(layout, rollback)?);
            Ok(serde_json::from_value(list.into())?)
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
