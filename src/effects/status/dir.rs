//! Statuses in a directory: a file of JSON per object, written whole.

use std::io;

use serde_json::Value;

use crate::effects::courier::{Delivered, Failure};
use crate::effects::folder::Folder;
use crate::effects::status::{Kind, Subject};
use crate::source::dir::atomic::write_atomic;
use crate::source::dir::layout::Layout;

/// Writes a status, keeping the `incidents` that a contract's already has.
pub(super) async fn write(
    folder: &Folder,
    subject: &Subject,
    status: Value,
) -> Result<Delivered, Failure> {
    let subject = subject.clone();
    let written = folder
        .alone(move |layout| replace(layout, &subject, status))
        .await?;
    written
        .map(|()| Delivered::Done)
        .map_err(|error| Failure::Transient(format!("writing the status: {error}")))
}

fn replace(layout: &Layout, subject: &Subject, mut status: Value) -> io::Result<()> {
    let kind = subject.kind.name();
    if let (Kind::Contract, Some(fields)) = (subject.kind, status.as_object_mut()) {
        let old: Option<Value> = layout
            .read_status(kind, &subject.namespace, &subject.name)
            .map_err(io::Error::other)?;
        if let Some(incidents) = old.and_then(|mut old| old.get_mut("incidents").map(Value::take)) {
            fields.insert("incidents".to_owned(), incidents);
        }
    }
    let path = layout.status_path(kind, &subject.namespace, &subject.name);
    write_atomic(&path, &serde_json::to_vec_pretty(&status)?)
}
