//! Statuses in a directory: one JSON file per object.

use std::io;

use serde_json::Value;

use crate::effects::delivery::{Delivered, Failure};
use crate::effects::folder::{Folder, Order};
use crate::effects::status::{Kind, StatusOwner};
use crate::source::dir::layout::Layout;

/// Writes a status, and keeps the `incidents` of a contract's stored status.
pub(super) async fn write(
    folder: &Folder,
    owner: &StatusOwner,
    order: Order,
    status: Value,
) -> Result<Delivered, Failure> {
    let (owner, to) = (owner.clone(), folder.clone());
    let written = folder
        .exclusively(move |layout| replace(&to, layout, &owner, order, status))
        .await?;
    written
        .map(|()| Delivered::Done)
        .map_err(|error| Failure::Transient(format!("writing the status: {error}")))
}

fn replace(
    folder: &Folder,
    layout: &Layout,
    owner: &StatusOwner,
    order: Order,
    mut status: Value,
) -> io::Result<()> {
    let kind = owner.kind.name();
    if let (Kind::Contract, Some(fields)) = (owner.kind, status.as_object_mut()) {
        let old: Option<Value> = layout
            .read_status(kind, &owner.namespace, &owner.name)
            .map_err(io::Error::other)?;
        if let Some(incidents) = old.and_then(|mut old| old.get_mut("incidents").map(Value::take)) {
            fields.insert("incidents".to_owned(), incidents);
        }
    }
    let path = layout.status_path(kind, &owner.namespace, &owner.name);
    folder.write(&path, order, &serde_json::to_vec_pretty(&status)?)
}
