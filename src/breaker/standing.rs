//! A standing value: the last one observed, which counts again as long as nothing replaces it.
//!
//! The API server drops a write that changes nothing, so silence after a Bad value does
//! not mean that it got better.

use crate::breaker::circuit::{Cause, Circuit, State};
use crate::breaker::config::Config;
use crate::breaker::judge::{Subject, Verdict};
use crate::breaker::streak::Streak;
use crate::breaker::time::{Mono, Span};

/// What a circuit's state makes of a value that stands, or of a new one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phase {
    kind: Kind,
    every: Option<Span>,
    confirmed: Option<Mono>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Closed,
    Open,
    HalfOpen {
        /// When this step had settled, had the watch never been lost.
        began: Mono,
        /// When it has.
        settled: Mono,
        /// Whether it is the contract that was broken, so that keeping it is what recovers.
        by_contract: bool,
    },
}

impl Phase {
    pub(super) fn of(circuit: &Circuit, config: &Config, confirmed: Option<Mono>) -> Self {
        let kind = match &circuit.state {
            State::Closed => Kind::Closed,
            State::Open { .. } => Kind::Open,
            State::HalfOpen {
                trip, step_since, ..
            } => Kind::HalfOpen {
                began: *step_since + config.half_open.settle,
                settled: (*step_since).max(confirmed.unwrap_or_default()) + config.half_open.settle,
                by_contract: trip.cause == Cause::Illegal,
            },
        };
        Self {
            kind,
            every: config.resample_every(),
            confirmed,
        }
    }

    pub(super) const fn is_closed(self) -> bool {
        matches!(self.kind, Kind::Closed)
    }

    pub(super) const fn is_half_open(self) -> bool {
        matches!(self.kind, Kind::HalfOpen { .. })
    }

    /// Whether a Good sample about this recovers.
    ///
    /// That the contract is kept says nothing about a service that was sick; it is all
    /// there is to say about one whose reports were broken.
    pub(super) const fn recovers_by(self, subject: Subject<'_>) -> bool {
        match (self.kind, subject) {
            (Kind::HalfOpen { by_contract, .. }, Subject::Contract { .. }) => by_contract,
            (Kind::HalfOpen { .. }, Subject::Rule(_)) => true,
            _ => false,
        }
    }

    /// Whether an observation that has just arrived counts at once.
    pub(super) fn admits(self, now: Mono) -> bool {
        match self.kind {
            Kind::Closed => true,
            Kind::Open => false,
            Kind::HalfOpen { settled, .. } => now >= settled,
        }
    }

    /// When the value that stands counts next; never, where counting it would change nothing.
    ///
    /// Once a step of `HalfOpen` has settled, a value that stands Bad counts however it is
    /// resampled: a reporter that writes only changes has nothing new to say while it stays Bad.
    pub(super) fn due(self, streak: &Streak, subject: Subject<'_>) -> Option<Mono> {
        let confirmed = self.confirmed?;
        let last = streak.last.as_ref()?;
        let repeated = |every| last.counted.max(confirmed) + every;
        match self.kind {
            Kind::Open => None,
            Kind::Closed => {
                last.value.as_ref()?;
                // What was persisted before the last try says nothing against that.
                if streak.denied().is_some()
                    && subject.stands(last, last.counted) != Some(Verdict::Bad)
                {
                    return None;
                }
                let repeated = repeated(self.every?);
                if streak.count() == 0 {
                    subject.bad_from(last, repeated)
                } else {
                    Some(repeated)
                }
            }
            Kind::HalfOpen { began, settled, .. } => {
                let bad = subject.stands(last, settled)? == Verdict::Bad;
                if !bad && (self.every.is_none() || !self.recovers_by(subject)) {
                    return None;
                }
                let first = last.counted < began;
                Some(if first {
                    settled
                } else {
                    repeated(self.every?)
                })
            }
        }
    }
}

/// Counts the value that stands once more, if that is due.
///
/// However long ago it was due, it counts once: time in which nobody looked is no evidence.
pub(super) fn resample(
    streak: &mut Streak,
    subject: Subject<'_>,
    phase: Phase,
    now: Mono,
) -> Option<Verdict> {
    if now < phase.due(streak, subject)? {
        return None;
    }
    let last = streak.last.as_mut()?;
    let verdict = subject.stands(last, now)?;
    last.counted = now;
    last.class = verdict.class();
    streak.note(verdict, phase.is_closed());
    Some(verdict)
}
