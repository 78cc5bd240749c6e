//! Admission: what of a kind the policy is made of by which the API server enforces its contract.

use crate::engine::state::State;
use crate::engine::state::kind::KindEntry;
use crate::wire::event::{Crd, GroupKind};

/// The most bad schemas that are kept away at once; one of each incident, of which the newest matter.
const MOST_FROZEN: usize = 4;

/// A bad revision that may not come back while a circuit is not Closed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FrozenRevision {
    pub(crate) number: u64,
    pub(crate) trip: Box<str>,
}

impl KindEntry {
    /// The version whose objects are judged: the stored one if it is served, else the first that is.
    pub(crate) fn judged_version(&self) -> Option<&str> {
        let versions = self.crd.as_ref()?.spec.get("versions")?.as_array()?;
        let is = |version: &serde_json::Value, field: &str| {
            version.get(field).and_then(serde_json::Value::as_bool) == Some(true)
        };
        let served = || versions.iter().filter(|version| is(version, "served"));
        let stored = served().find(|version| is(version, "storage"));
        stored.or_else(|| served().next())?.get("name")?.as_str()
    }
}

/// The plural of a CRD's kind.
pub(crate) fn plural(crd: &Crd) -> Option<&str> {
    crd.spec.get("names")?.get("plural")?.as_str()
}

impl State {
    /// The bad schemas of a kind that may not come back, as long as a circuit that rejects updates is not Closed;
    /// none where one of them is live.
    pub(crate) fn frozen_revisions(&self, kind: &GroupKind) -> Vec<FrozenRevision> {
        let Some(entry) = self.kinds.get(kind) else {
            return Vec::new();
        };
        let bad = entry.revisions.values().rev();
        let mut bad = bad.filter(|revision| revision.bad.is_some()).peekable();
        if bad.peek().is_none() || entry.live_is_bad() {
            return Vec::new();
        }
        let Some(trip) = self.rejecting_trip(kind) else {
            return Vec::new();
        };
        bad.take(MOST_FROZEN)
            .map(|revision| FrozenRevision {
                number: revision.number,
                trip: revision.bad.clone().unwrap_or_else(|| trip.clone()),
            })
            .collect()
    }

    /// The trip of a circuit that rejects updates, if there is one.
    fn rejecting_trip(&self, kind: &GroupKind) -> Option<Box<str>> {
        let policies = self.policies.values();
        let policies = policies.filter(|policy| policy.kind.as_ref() == Some(kind));
        let mut rejecting = policies.flat_map(|policy| {
            let lowered = policy.lowered.as_ref();
            policy.notable().filter(move |(_, entry)| {
                lowered.is_some_and(|lowered| entry.rejects_updates(lowered))
            })
        });
        let (_, entry) = rejecting.next()?;
        Some(
            entry
                .trip()
                .map_or_else(|| "by override".into(), |trip| trip.to_string().into()),
        )
    }
}
