//! A circuit: its breaker, and what is decided beside it.

use std::sync::Arc;

use crate::breaker::circuit::{Circuit, Forced, StateName, Trip, TripId};
use crate::breaker::enforced::enforced;
use crate::breaker::sample::{Class, Unknown};
use crate::breaker::step::{Change, Reason};
use crate::breaker::time::{Mono, Now, Wall};
use crate::engine::state::object::Values;
use crate::engine::state::schedule::NEVER;
use crate::policy::contribution::Enforcement;
use crate::spec::policy::Policy;
use crate::wire::event::GroupKind;

#[derive(Debug)]
pub(crate) struct CircuitEntry {
    pub(crate) object: Arc<str>,
    pub(crate) kind: GroupKind,
    pub(crate) breaker: Circuit,
    /// Where it stands in the schedule: at its next wake or before, since a wake that moves back, as each
    /// report of a streak moves it, is followed up only when the earlier one comes.
    pub(crate) wake: Mono,
    /// When time could next change it.
    pub(crate) due: Mono,
    pub(crate) since: Wall,
    /// What was enforced of it when it last contributed to its layers.
    pub(crate) enforced: Option<Enforcement>,
    /// What was kept published found no room in what was written down.
    pub(crate) unfrozen: bool,
    pub(crate) resumed: bool,
    /// It opened out of `HalfOpen`.
    pub(crate) reopened: bool,
    pub(crate) cause: Trigger,
    /// What few circuits have.
    aside: Option<Box<Aside>>,
}

/// What few circuits have.
#[derive(Debug, Default)]
struct Aside {
    restored: Option<Values>,
    suppressed_since: Option<Wall>,
    ended: Option<Ended>,
}

/// How a circuit counts among those of its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CountClass {
    pub(crate) closed: bool,
    /// Closed, not armed, and without a past.
    pub(crate) blank: bool,
    pub(crate) acts: Acts,
}

/// Whether a circuit acts: it is Open or HalfOpen, as far as people let it be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acts {
    No,
    ByEvidence,
    /// It is Open because somebody says so, and not by its own evidence.
    ByOrder,
}

/// What a policy's status says of a circuit, times and counts apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reported {
    state: StateName,
    armed: bool,
    suppressed: bool,
    latched: bool,
    /// What the values of its rules count as, four bits each; a policy has at most sixteen rules.
    classes: u64,
}

/// Where a step came from; the audit's `source`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    Report,
    Timer,
    Override,
    Policy,
    Leader,
    Deleted,
    Unselected,
    PolicyDeleted,
    Denied,
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

impl CountClass {
    /// Of a circuit that isn't there.
    pub(crate) const NONE: Self = Self {
        closed: true,
        blank: true,
        acts: Acts::No,
    };
}

impl CircuitEntry {
    pub(crate) fn new(object: Arc<str>, kind: GroupKind, breaker: Circuit, now: Now) -> Self {
        Self {
            object,
            kind,
            breaker,
            wake: NEVER,
            due: NEVER,
            since: now.wall,
            enforced: None,
            unfrozen: false,
            resumed: false,
            reopened: false,
            cause: Trigger::Report,
            aside: None,
        }
    }

    /// Notes what a change of state leaves to be said of it later.
    pub(crate) fn follow(&mut self, change: &Change, last_step: u8, now: Now) {
        self.since = now.wall;
        self.resumed |= change.to != StateName::Closed;
        match change.to {
            // Whether the leader's circuit reopened, its record says.
            StateName::Open if change.reason == Reason::Leader => {}
            StateName::Open => self.reopened = change.from == StateName::HalfOpen,
            StateName::HalfOpen => {}
            StateName::Closed => {
                let step = (change.reason == Reason::Recovered).then_some(last_step);
                self.end(change.trip.clone().map(|trip| Ended { trip, step }));
            }
        }
    }

    /// The trip that it recovered from last.
    pub(crate) fn ended(&self) -> Option<&Ended> {
        self.aside.as_ref()?.ended.as_ref()
    }

    /// What is kept published of its object by what was written down, until the object is seen.
    pub(crate) fn restored(&self) -> Option<&Values> {
        self.aside.as_ref()?.restored.as_ref()
    }

    pub(crate) fn take_restored(&mut self) -> Option<Values> {
        self.aside.as_mut()?.restored.take()
    }

    /// Since when a trip of it is held back.
    pub(crate) fn suppressed_since(&self) -> Option<Wall> {
        self.aside.as_ref()?.suppressed_since
    }

    pub(crate) fn end(&mut self, ended: Option<Ended>) {
        self.put_aside(ended, |aside| &mut aside.ended);
    }

    pub(crate) fn restore(&mut self, values: Option<Values>) {
        self.put_aside(values, |aside| &mut aside.restored);
    }

    pub(crate) fn suppress(&mut self, since: Option<Wall>) {
        self.put_aside(since, |aside| &mut aside.suppressed_since);
    }

    /// Puts something, or nothing, in its place among what few circuits have.
    fn put_aside<T>(&mut self, item: Option<T>, place: impl Fn(&mut Aside) -> &mut Option<T>) {
        match &mut self.aside {
            Some(aside) => *place(aside) = item,
            None if item.is_none() => {}
            none => *place(none.get_or_insert_default()) = item,
        }
    }

    pub(crate) fn state(&self) -> StateName {
        self.breaker.state.name()
    }

    /// Closed, and no trip of it is held back: no alert tells of it.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.state() == StateName::Closed && !self.breaker.suppressed
    }

    pub(crate) fn count_class(&self) -> CountClass {
        let closed = self.state() == StateName::Closed;
        CountClass {
            closed,
            blank: self.breaker.is_blank(),
            acts: match self.breaker.forced {
                None if closed => Acts::No,
                None => Acts::ByEvidence,
                Some(Forced::Open) if self.state() == StateName::Open => Acts::ByEvidence,
                Some(Forced::Open) => Acts::ByOrder,
                Some(_) => Acts::No,
            },
        }
    }

    /// What the policy's status says of it, if it says anything.
    pub(crate) fn reported(&self) -> Option<Reported> {
        let breaker = &self.breaker;
        (!breaker.is_blank()).then(|| Reported {
            state: self.state(),
            armed: breaker.armed,
            suppressed: breaker.suppressed,
            latched: breaker.past.latched,
            classes: breaker.rules.iter().fold(0, |bits, streak| {
                bits << 4 | streak.last.as_ref().map_or(0, |last| code(last.class))
            }),
        })
    }

    /// What is enforced of it as others act on it, the policy's mode applied.
    pub(crate) fn enforcement(&self, lowered: &Policy) -> Enforcement {
        let enforced = enforced(&self.breaker, &lowered.config);
        if lowered.observe || enforced.observe {
            return Enforcement {
                state: StateName::Closed,
                admit_percent: 100,
                sheds: false,
            };
        }
        Enforcement {
            state: enforced.state,
            admit_percent: enforced.admit_percent,
            sheds: enforced.sheds,
        }
    }

    /// Whether it keeps its object's published values as they were, and its kind's bad schema away.
    pub(crate) fn rejects_updates(&self, lowered: &Policy) -> bool {
        lowered.reject_updates
            && !lowered.observe
            && enforced(&self.breaker, &lowered.config).frozen
    }

    pub(crate) fn trip(&self) -> Option<TripId> {
        self.breaker.state.trip().map(|trip| trip.id)
    }

    /// The trip that it recovered from, while that is news.
    pub(crate) fn lately_ended(&self, now: Now) -> Option<&Ended> {
        self.ended()
            .filter(|_| self.state() == StateName::Closed && is_news(self.since, now))
    }
}

/// A class in four bits, none of which is zero.
fn code(class: Class) -> u64 {
    match class {
        Class::Good => 1,
        Class::Bad => 2,
        Class::Unknown(Unknown::Missing) => 3,
        Class::Unknown(Unknown::Stale) => 4,
        Class::Unknown(Unknown::NotANumber) => 5,
        Class::Unknown(Unknown::Illegal) => 6,
        Class::Unknown(Unknown::Error) => 7,
        Class::Unknown(Unknown::SeveralSeries) => 8,
        Class::Unknown(Unknown::Timeout) => 9,
        Class::Unknown(Unknown::TooManySeries) => 10,
    }
}

pub(crate) fn is_news(at: Wall, now: Now) -> bool {
    now.wall.0.saturating_sub(at.0) < NEWS_MS
}
