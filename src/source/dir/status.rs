//! Statuses: joins the stored status of our own kinds to their documents.

use std::fs;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::source::dir::layout::Layout;
use crate::wire::event::{Change, Document, Event, Meta};

/// A document with its stored status. A status that can't be read is logged and ignored.
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
            tracing::warn!(%error, "cannot read a stored status; going on without it");
            None
        });
    Document {
        meta: document.meta.clone(),
        spec: document.spec.clone(),
        status: status.map(Arc::new),
    }
}

/// Removes the stored status of a deleted object: if it is created again, it is a new
/// object, although its uid is the same here.
pub(super) fn forget(layout: &Layout, event: &Event) {
    let (kind, meta) = match event {
        Event::Contract(Change::Deleted(document)) => ("ConditionContract", &document.meta),
        Event::Policy(Change::Deleted(document)) => ("CircuitPolicy", &document.meta),
        Event::Override(Change::Deleted(document)) => ("CircuitOverride", &document.meta),
        _ => return,
    };
    // It may not exist, and in a read-only directory nothing was stored.
    let _ = fs::remove_file(layout.status_path(kind, &meta.namespace, &meta.name));
}
