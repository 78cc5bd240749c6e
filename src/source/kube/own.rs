//! Our own kinds, decoded: contracts, policies, overrides and stored revisions.
//!
//! A status that can't be decoded is ignored: the leader writes a new one.

use std::sync::Arc;

use fusegate_crds::{
    CircuitOverride, CircuitPolicy, CircuitPolicyStatus, ConditionContract,
    ConditionContractStatus, Kind,
};
use kube::core::object::HasSpec;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::source::kube::revision;
use crate::source::kube::slim::{Own, SlimRevision};
use crate::source::spec::{self, Decoded};
use crate::wire::event::{Change, Document, Event, Meta, Unreadable};

/// A contract.
pub(super) fn contract(change: Change<Own>) -> Event {
    let document = document::<ConditionContract, ConditionContractStatus>;
    Event::Contract(change.map(document))
}

/// A policy.
pub(super) fn policy(change: Change<Own>) -> Event {
    let document = document::<CircuitPolicy, CircuitPolicyStatus>;
    Event::Policy(change.map(document))
}

/// An override. Its status is dropped: nothing is resumed from it.
pub(super) fn circuit_override(change: Change<Own>) -> Event {
    Event::Override(change.map(document::<CircuitOverride, ()>))
}

/// A stored revision.
pub(super) fn stored_revision(change: Change<SlimRevision>) -> Event {
    let read = revision::from_object;
    let read = match change {
        Change::Applied(item) => read(item.0).map(Change::Applied),
        Change::Deleted(item) => read(item.0).map(Change::Deleted),
    };
    read.map_or_else(
        |error| Event::Unreadable(unreadable(&error)),
        Event::Revision,
    )
}

fn document<T, S>(own: Own) -> Document<T::Spec, S>
where
    T: Kind + HasSpec<Spec: Clone>,
    S: DeserializeOwned,
{
    let status = own.status.as_deref().and_then(lenient).map(Arc::new);
    let meta = Meta::from(own.metadata);
    let spec = decode::<T>(&meta, own.spec.as_deref());
    Document { meta, spec, status }
}

fn decode<T>(meta: &Meta, raw: Option<&RawValue>) -> Decoded<T::Spec>
where
    T: Kind + HasSpec<Spec: Clone>,
{
    let raw = raw.ok_or_else(|| vec!["spec: it is missing; add it".to_owned()])?;
    let spec: Value =
        serde_json::from_str(raw.get()).map_err(|error| vec![format!("spec: {error}")])?;
    spec::served::<T>(spec::assembled::<T>(&meta.namespace, &meta.name, spec))
}

fn lenient<S: DeserializeOwned>(raw: &RawValue) -> Option<S> {
    serde_json::from_str(raw.get()).ok()
}

fn unreadable(error: &revision::Stored) -> Unreadable {
    let source = std::error::Error::source(error);
    let detail = source.map_or_else(String::new, |source| format!(": {source}"));
    Unreadable {
        place: "controllerrevisions.apps".into(),
        message: format!("{error}{detail}").into(),
    }
}

#[cfg(test)]
mod tests;
