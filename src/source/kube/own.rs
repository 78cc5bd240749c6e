//! Our own kinds, decoded: contracts, policies, overrides and stored revisions.
//!
//! A status that can't be decoded is as good as none: the next leader writes a new one.

use std::sync::Arc;

use fusegate_crds::{
    CircuitOverrideSpec, CircuitPolicySpec, CircuitPolicyStatus, ConditionContractSpec,
    ConditionContractStatus,
};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::source::event::{Change, Document, Event, Unreadable};
use crate::source::kube::revision;
use crate::source::kube::slim::{Own, SlimRevision};
use crate::source::spec;

/// A contract.
pub(super) fn contract(change: Change<Own>) -> Result<Event, Unreadable> {
    Ok(Event::Contract(change.map(
        document::<ConditionContractSpec, ConditionContractStatus>,
    )))
}

/// A policy.
pub(super) fn policy(change: Change<Own>) -> Result<Event, Unreadable> {
    Ok(Event::Policy(
        change.map(document::<CircuitPolicySpec, CircuitPolicyStatus>),
    ))
}

/// An override. Nothing is ever resumed from its status.
pub(super) fn circuit_override(change: Change<Own>) -> Result<Event, Unreadable> {
    Ok(Event::Override(change.map(|own| Document {
        status: None,
        ..document::<CircuitOverrideSpec, ()>(own)
    })))
}

/// A stored revision.
pub(super) fn stored_revision(change: Change<SlimRevision>) -> Result<Event, Unreadable> {
    let unreadable = |stored: revision::Stored| Unreadable {
        message: chain(&stored).into(),
        place: "controllerrevisions.apps".into(),
    };
    let change = match change {
        Change::Applied(item) => {
            Change::Applied(revision::from_object(item.0).map_err(unreadable)?)
        }
        Change::Deleted(item) => {
            Change::Deleted(revision::from_object(item.0).map_err(unreadable)?)
        }
    };
    Ok(Event::Revision(change))
}

fn document<S: DeserializeOwned, T: DeserializeOwned>(own: Own) -> Document<S, T> {
    Document {
        spec: spec::decode(own.spec.as_deref()),
        status: own.status.as_deref().and_then(lenient).map(Arc::new),
        meta: own.metadata.into(),
    }
}

fn lenient<T: DeserializeOwned>(raw: &RawValue) -> Option<T> {
    serde_json::from_str(raw.get()).ok()
}

fn chain(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(
        || error.to_string(),
        |source| format!("{error}: {}", chain(source)),
    )
}
