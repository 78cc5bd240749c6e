//! Evidence: what one input adds to a circuit's samples.

use crate::breaker::circuit::{Cause, Circuit};
use crate::breaker::config::Config;
use crate::breaker::judge::{Subject, Verdict, misplaced};
use crate::breaker::sample::{Reading, Unknown, Value};
use crate::breaker::standing::{Phase, resample};
use crate::breaker::streak::{Observed, Streak};
use crate::breaker::time::{Mono, Now, Span};
use crate::breaker::types::{Context, Report};

/// What the samples of one moment come to.
///
/// However many rules speak at that moment, it is one moment: a report that is Good in
/// three conditions is one look at the service, not three in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Evidence {
    /// In `HalfOpen`, some sample was Good.
    pub(super) good: bool,
    /// The first rule with reason to open: a full streak in Closed, a Bad sample in `HalfOpen`.
    breach: Option<usize>,
    /// The same of the contract.
    illegal: bool,
}

/// Why a circuit is due to open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) cause: Cause,
    pub(super) rule: Option<usize>,
}

impl Evidence {
    /// The fault that counts: a breach before an illegal update, since it asks for more.
    pub(super) fn fault(self) -> Option<Fault> {
        match (self.breach, self.illegal) {
            (rule @ Some(_), _) => Some(Fault {
                cause: Cause::Breach,
                rule,
            }),
            (None, true) => Some(Fault {
                cause: Cause::Illegal,
                rule: None,
            }),
            (None, false) => None,
        }
    }
}

/// Takes in a report, where there is one, and whatever standing values are due.
pub(super) fn gather(
    circuit: &mut Circuit,
    config: &Config,
    context: Context,
    report: Option<&Report>,
) -> Evidence {
    if report.is_some() && circuit.rules.len() != config.rules.len() {
        circuit
            .rules
            .resize_with(config.rules.len(), Streak::default);
    }
    let scene = Scene {
        config,
        phase: Phase::of(circuit, config, context.confirmed_since),
        now: context.now,
    };
    let mut evidence = Evidence::default();
    for (index, (streak, rule)) in circuit.rules.iter_mut().zip(&config.rules).enumerate() {
        let reading = report.and_then(|report| report.readings.get(index));
        if scene.take(streak, Subject::Rule(rule), reading, &mut evidence.good) {
            evidence.breach.get_or_insert(index);
        }
    }
    let contract = Subject::Contract {
        illegal_is_bad: config.illegal_is_bad,
    };
    let reading = report.map(Report::of_contract);
    evidence.illegal = scene.take(
        &mut circuit.illegal,
        contract,
        reading.as_ref(),
        &mut evidence.good,
    );
    evidence
}

struct Scene<'a> {
    config: &'a Config,
    phase: Phase,
    now: Now,
}

impl Scene<'_> {
    /// Brings one streak up to date, and says whether it is reason to open.
    fn take(
        &self,
        streak: &mut Streak,
        subject: Subject<'_>,
        reading: Option<&Reading>,
        good: &mut bool,
    ) -> bool {
        streak.expire(self.now.mono, self.config.within);
        streak.age(self.now.mono);
        let Some(verdict) = self.sample(streak, subject, reading) else {
            return false;
        };
        if self.phase.is_half_open() {
            *good |= verdict == Verdict::Good && self.phase.recovers_by(subject);
            return verdict == Verdict::Bad;
        }
        match verdict {
            Verdict::Bad => {
                streak.extend(self.now.mono, self.config.needed());
                streak.is_due(self.config, self.now.mono)
            }
            Verdict::Good | Verdict::Between => {
                streak.reset();
                false
            }
            Verdict::Unknown(_) => false,
        }
    }

    /// The sample that counts now, if any: a new observation, else the standing one.
    fn sample(
        &self,
        streak: &mut Streak,
        subject: Subject<'_>,
        reading: Option<&Reading>,
    ) -> Option<Verdict> {
        let news = reading.and_then(|reading| self.observe(streak, subject, reading));
        if news.is_none() {
            return resample(streak, subject, self.phase, self.now.mono);
        }
        let last = streak.last.as_ref()?;
        self.phase
            .admits(last, self.now.mono)
            .then_some(news)
            .flatten()
    }

    /// Records a reading; its verdict, if it is a new observation.
    fn observe(
        &self,
        streak: &mut Streak,
        subject: Subject<'_>,
        reading: &Reading,
    ) -> Option<Verdict> {
        let newest = streak.last.as_ref().and_then(|last| last.observed_at);
        if let Some(last) = streak.last.as_mut().filter(|last| last.id == reading.id) {
            self.restate(last, subject, reading);
            return None;
        }
        if let Some(unknown) = misplaced(reading, newest, self.now.wall) {
            // What it displaces stands no more, yet it stays the newest known.
            if let Some(last) = &mut streak.last {
                last.value = None;
                last.class = Verdict::Unknown(unknown).class();
            }
            return Some(Verdict::Unknown(unknown));
        }
        let (verdict, stale_at) = self.judge(subject, reading);
        streak.last = Some(Observed {
            id: reading.id,
            observed_at: reading.observed_at,
            arrived: self.now.mono,
            counted: self.now.mono,
            value: standing_value(verdict, reading),
            stale_at,
            class: verdict.class(),
            since_trip: match (reading.observed_at, self.phase.tripped_at) {
                (Some(observed_at), Some(tripped_at)) => observed_at > tripped_at,
                _ => true,
            },
        });
        Some(verdict)
    }

    /// Keeps the standing value what the object says, without counting it.
    fn restate(&self, last: &mut Observed, subject: Subject<'_>, reading: &Reading) {
        if last.value.as_ref() == reading.value.as_ref().ok() {
            return;
        }
        let (verdict, stale_at) = self.judge(subject, reading);
        let value = standing_value(verdict, reading);
        if last.value.is_some() && value.is_some() {
            // The old value counted at each of its times, even where that changed nothing.
            last.counted = latest_tick(last.counted, self.config.resample_every(), self.now.mono);
        }
        last.value = value;
        last.stale_at = stale_at;
        last.class = verdict.class();
    }

    /// What a reading says at its age, and when it stops saying it.
    fn judge(&self, subject: Subject<'_>, reading: &Reading) -> (Verdict, Option<Mono>) {
        let stale_at = subject.stale_at(reading, self.now);
        if stale_at.is_some_and(|stale_at| self.now.mono >= stale_at) {
            return (Verdict::Unknown(Unknown::Stale), stale_at);
        }
        let value = reading.value.as_ref().map_err(|unknown| *unknown);
        (subject.judge(value), stale_at)
    }
}

fn standing_value(verdict: Verdict, reading: &Reading) -> Option<Value> {
    match verdict {
        Verdict::Unknown(_) => None,
        _ => reading.value.as_ref().ok().cloned(),
    }
}

fn latest_tick(counted: Mono, every: Option<Span>, now: Mono) -> Mono {
    let elapsed = now.since(counted).0;
    let part = every.and_then(|every| elapsed.checked_rem(every.0));
    Mono(
        counted
            .0
            .saturating_add(elapsed.saturating_sub(part.unwrap_or(elapsed))),
    )
}
