//! A kind: how a contracted kind is served, its stored revisions, its objects, and how live its watch is.

use std::collections::BTreeMap;

use crate::breaker::time::{Mono, Now};
use crate::engine::state::objects::Objects;
use crate::wire::event::{ApiResource, Crd, GroupKind, Revision};

/// What is known of a kind's latest incident.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum RollbackState {
    /// Nothing has been asked.
    #[default]
    None,
    /// A rollback is under way; of how many objects about how many have been judged.
    Ordered {
        incident: Box<str>,
        target: u64,
        judged: Option<(u64, u64)>,
    },
    /// The CRD was rolled back.
    Done { target: u64 },
    /// A person is to do it.
    Proposed { target: u64 },
    /// It may not be done.
    Blocked { reason: Box<str>, message: Box<str> },
    /// Somebody brought the bad schema back again and again.
    Contested { message: Box<str> },
}

#[derive(Debug, Default)]
pub(crate) struct KindEntry {
    pub(crate) crd: Option<Crd>,
    /// How it is served, where that needs no CRD.
    pub(crate) resource: Option<ApiResource>,
    /// Whether its objects live in no namespace, as it was last served.
    pub(crate) cluster_scoped: bool,
    pub(crate) live_hash: Option<Box<str>>,
    /// What the lint found in its live schema, in a few words.
    pub(crate) lint: Option<Box<str>>,
    pub(crate) revisions: BTreeMap<u64, Revision>,
    pub(crate) objects: Objects,
    pub(crate) rollback: RollbackState,
    pub(crate) confirmed_since: Option<Mono>,
    pub(crate) last_confirmed: Option<Mono>,
    /// Since when its watch has not been confirmed, once it has been or was interrupted.
    pub(crate) unconfirmed_since: Option<Mono>,
    pub(crate) listed: bool,
    pub(crate) interrupted: Option<Box<str>>,
    pub(crate) listing: Option<u32>,
    pub(crate) epoch: u32,
}

impl KindEntry {
    /// Whether there is anything to be watched.
    pub(crate) fn is_served(&self) -> bool {
        self.resource.is_some() || self.crd.as_ref().is_some_and(serves)
    }

    /// `group/version` of the stored version, or of the one that is watched, for Events about objects.
    pub(crate) fn api_version(&self, kind: &GroupKind) -> String {
        if let Some(resource) = &self.resource {
            return match &*kind.group {
                "" => resource.version.to_string(),
                group => format!("{group}/{}", resource.version),
            };
        }
        let versions = self
            .crd
            .as_ref()
            .and_then(|crd| crd.spec.get("versions")?.as_array());
        let stored = versions.into_iter().flatten().find(|version| {
            version.get("storage").and_then(serde_json::Value::as_bool) == Some(true)
        });
        let name = stored
            .and_then(|version| version.get("name")?.as_str())
            .unwrap_or("v1");
        format!("{}/{name}", kind.group)
    }

    /// A schema that is not what the last rollback went to begins a new chapter; whether it does.
    pub(crate) fn forget_rollback(&mut self) -> bool {
        let live = self.live().map(|revision| revision.number);
        let is_over = match self.rollback {
            RollbackState::Done { target } => Some(target) != live,
            RollbackState::Contested { .. } => !self.live_is_bad(),
            _ => false,
        };
        if is_over {
            self.rollback = RollbackState::None;
        }
        is_over
    }

    /// The live schema as the revision it would be.
    pub(crate) fn unrecorded(&self, crd: &Crd, hash: &str, now: Now) -> Revision {
        Revision {
            crd: crd.meta.name.clone(),
            crd_uid: crd.meta.uid.clone(),
            number: self.revisions.keys().next_back().copied().unwrap_or(0) + 1,
            hash: hash.into(),
            seen_at: now.wall.0,
            bad: None,
            spec: crd.spec.clone(),
        }
    }

    /// The stored revision that the live schema is.
    pub(crate) fn live(&self) -> Option<&Revision> {
        let hash = self.live_hash.as_deref()?;
        let mut revisions = self.revisions.values();
        revisions.find(|revision| *revision.hash == *hash)
    }

    pub(crate) fn live_is_bad(&self) -> bool {
        self.live().is_some_and(|revision| revision.bad.is_some())
    }

    pub(crate) fn live_revision(&self) -> Option<i64> {
        self.live()
            .and_then(|revision| i64::try_from(revision.number).ok())
    }
}

/// Whether any version of a CRD is served.
fn serves(crd: &Crd) -> bool {
    let versions = crd.spec.get("versions").and_then(|list| list.as_array());
    let mut versions = versions.into_iter().flatten();
    versions.any(|version| version.get("served").and_then(serde_json::Value::as_bool) == Some(true))
}
