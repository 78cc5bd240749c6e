//! A circuit: its breaker, and what the world was last told of it.

use std::mem::Discriminant;
use std::sync::Arc;

use fusegate_crds::CircuitRecord;

use crate::breaker::circuit::{Circuit, Forced, StateName, Trip, TripId};
use crate::breaker::step::{Change, Reason};
use crate::breaker::time::{Mono, Now, Wall};
use crate::engine::state::kind::RollbackState;
use crate::engine::state::object::Values;
use crate::policy::contribution::{Enforcement, Refusal};
use crate::wire::effect::Alert;
use crate::wire::event::GroupKind;

/// What a circuit's alerts are made of, its policy apart: where it is the same, so are they.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mark {
    pub(crate) state: StateName,
    pub(crate) trip: Option<TripId>,
    pub(crate) forced: Option<Forced>,
    pub(crate) latched: bool,
    /// How many circuits of the policy are open, and how many there are, where the cap holds this one back.
    pub(crate) suppressed: Option<(usize, usize)>,
    pub(crate) rollback: Option<Discriminant<RollbackState>>,
}

#[derive(Debug)]
pub(crate) struct CircuitEntry {
    pub(crate) object: Arc<str>,
    pub(crate) kind: GroupKind,
    pub(crate) breaker: Circuit,
    /// Where it stands in the schedule: at its next wake or before, since a wake that moves back, as each
    /// report of a streak moves it, is followed up only when the earlier one comes.
    pub(crate) wake: Option<Mono>,
    /// When time could next change it.
    pub(crate) due: Option<Mono>,
    pub(crate) since: Wall,
    pub(crate) alerts: Vec<Alert>,
    /// What its alerts were last made of.
    pub(crate) alerted: Option<Mark>,
    pub(crate) refusals: Vec<Refusal>,
    /// What was enforced when it last contributed to the layers.
    pub(crate) contributed: Option<Enforcement>,
    pub(crate) restored: Option<Values>,
    /// What was kept published found no room in what was written down.
    pub(crate) unfrozen: bool,
    pub(crate) resumed: bool,
    /// It opened out of `HalfOpen`.
    pub(crate) reopened: bool,
    pub(crate) suppressed_since: Option<Wall>,
    /// The trip that it recovered from last.
    pub(crate) ended: Option<Ended>,
    pub(crate) cause: Cue,
    /// What the policy's status says of it, as long as that is true.
    pub(crate) noted: Option<Arc<Noted>>,
}

/// How a circuit counts among those of its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) closed: bool,
    /// Closed, not armed, and without a past.
    pub(crate) blank: bool,
}

/// Where a step came from; the audit's `source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cue {
    Report,
    Timer,
    Override,
    Policy,
    Leader,
    Deleted,
    Unselected,
    PolicyDeleted,
}

/// A trip that was recovered from, and the last half-open step on the way where there was one.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) trip: Trip,
    pub(crate) step: Option<u8>,
}

/// What is older is not told again: an Event is tried for about this long, and an API server that
/// has forgotten one after its hour must not be given it anew at each restart.
const NEWS_MS: i64 = 15 * 60 * 1_000;

/// A record, and the bytes of its JSON.
#[derive(Debug)]
pub(crate) struct Noted {
    pub(crate) at: Mono,
    pub(crate) record: CircuitRecord,
    pub(crate) bytes: usize,
    /// Of these, the bytes of the values that it kept published.
    pub(crate) frozen: usize,
}

impl Standing {
    /// Of a circuit that isn't there.
    pub(crate) const NONE: Self = Self {
        closed: true,
        blank: true,
    };
}

impl CircuitEntry {
    pub(crate) fn new(object: Arc<str>, kind: GroupKind, breaker: Circuit, now: Now) -> Self {
        Self {
            object,
            kind,
            breaker,
            wake: None,
            due: None,
            since: now.wall,
            alerts: Vec::new(),
            alerted: None,
            refusals: Vec::new(),
            contributed: None,
            restored: None,
            unfrozen: false,
            resumed: false,
            reopened: false,
            suppressed_since: None,
            ended: None,
            cause: Cue::Report,
            noted: None,
        }
    }

    /// Notes what a change of state leaves to be said of it later.
    pub(crate) fn follow(&mut self, change: &Change, last_step: u8, now: Now) {
        self.since = now.wall;
        self.resumed |= change.to != StateName::Closed;
        match change.to {
            StateName::Open => self.reopened = change.from == StateName::HalfOpen,
            StateName::HalfOpen => {}
            StateName::Closed => {
                let step = (change.reason == Reason::Recovered).then_some(last_step);
                self.ended = change.trip.clone().map(|trip| Ended { trip, step });
            }
        }
    }

    pub(crate) fn state(&self) -> StateName {
        self.breaker.state.name()
    }

    pub(crate) fn standing(&self) -> Standing {
        Standing {
            closed: self.state() == StateName::Closed,
            blank: self.breaker.is_blank(),
        }
    }

    pub(crate) fn trip(&self) -> Option<TripId> {
        self.breaker.state.trip().map(|trip| trip.id)
    }

    /// The trip that it recovered from, while that is news.
    pub(crate) fn lately_ended(&self, now: Now) -> Option<&Ended> {
        let ended = self.ended.as_ref();
        ended.filter(|_| self.state() == StateName::Closed && is_news(self.since, now))
    }
}

impl Noted {
    pub(crate) fn new(record: CircuitRecord, now: Mono) -> Self {
        let frozen = if record.frozen.is_empty() {
            0
        } else {
            json_bytes(&record.frozen)
        };
        Self {
            at: now,
            bytes: json_bytes(&record),
            frozen,
            record,
        }
    }

    /// The record without the values that it kept published.
    pub(crate) fn without_frozen(&self) -> CircuitRecord {
        let mut record = self.record.clone();
        record.frozen.clear();
        record.frozen_omitted = true;
        record
    }
}

pub(crate) fn is_news(at: Wall, now: Now) -> bool {
    now.wall.0.saturating_sub(at.0) < NEWS_MS
}

fn json_bytes(value: &impl serde::Serialize) -> usize {
    serde_json::to_vec(value).map_or(0, |json| json.len())
}
