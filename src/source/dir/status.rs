//! Statuses: what the effects stored of our own kinds, joined to the documents they belong to.

use std::fs;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::source::dir::layout::Layout;
use crate::wire::event::{Change, Document, Event, Meta};

/// A document with the status that is stored of it. One that can't be read is as good
/// as none, and is said in the log.
pub(super) fn of<S, T: DeserializeOwned>(
    layout: &Layout,
    kind: &str,
    document: &Document<S, T>,
) -> Document<S, T> {
    let Meta {
        namespace, name, ..
    } = &document.meta;
    let status = layout
        .read_status(kind, namespace, name)
        .unwrap_or_else(|error| {
            tracing::warn!(%error, "going on without a stored status");
            None
        });
    Document {
        meta: document.meta.clone(),
        spec: document.spec.clone(),
        status: status.map(Arc::new),
    }
}

/// Removes what is stored of an object that was deleted: were it made again, it would
/// be a new one, though its uid is the same here.
pub(super) fn forget(layout: &Layout, event: &Event) {
    let (kind, meta) = match event {
        Event::Contract(Change::Deleted(document)) => ("ConditionContract", &document.meta),
        Event::Policy(Change::Deleted(document)) => ("CircuitPolicy", &document.meta),
        Event::Override(Change::Deleted(document)) => ("CircuitOverride", &document.meta),
        _ => return,
    };
    // What isn't there needn't be removed, and in a read-only directory nothing was stored.
    let _ = fs::remove_file(layout.status_path(kind, &meta.namespace, &meta.name));
}
