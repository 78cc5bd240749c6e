//! An entry: one circuit's breaker, and what the world was last told of it.

use std::sync::Arc;

use fusegate_crds::CircuitRecord;

use crate::breaker::circuit::{Circuit, StateName, Trip, TripId};
use crate::breaker::step::{Change, Reason};
use crate::breaker::time::{Mono, Now, Wall};
use crate::engine::alert::Mark;
use crate::engine::object::Values;
use crate::engine::record;
use crate::engine::status::Noted;
use crate::policy::contribution::{Enforcement, Refusal};
use crate::wire::effect::Alert;
use crate::wire::event::GroupKind;

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

impl Standing {
    /// Of a circuit that isn't there.
    pub(crate) const NONE: Self = Self {
        closed: true,
        blank: true,
    };
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

impl CircuitEntry {
    pub(super) fn new(object: Arc<str>, kind: GroupKind, breaker: Circuit, now: Now) -> Self {
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

    /// Takes up what was written down beside the breaker's own.
    pub(super) fn take_up(&mut self, record: &CircuitRecord, now: Now) {
        let wall = |time: fusegate_crds::Time| Wall(time.millis());
        self.resumed = self.state() != StateName::Closed;
        self.since = record.since.map_or(now.wall, wall);
        self.reopened = record.reopened;
        self.suppressed_since = record.suppressed_since.map(wall);
        self.unfrozen = record.frozen_omitted;
        if self.resumed {
            // A record of a policy that froze nothing must not stand for that of another, which did.
            let frozen = (!self.unfrozen).then(|| record::thaw(&record.frozen));
            self.restored = frozen.filter(|values| !values.is_empty());
        } else {
            self.ended = record::ended(record, now);
        }
    }

    /// Notes what a change of state leaves to be said of it later.
    pub(super) fn follow(&mut self, change: &Change, last_step: u8, now: Now) {
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
}
