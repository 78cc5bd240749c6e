//! Evidence: what one input adds to a circuit's samples.

use crate::breaker::circuit::{Cause, Circuit};
use crate::breaker::config::Config;
use crate::breaker::judge::{Subject, Verdict};
use crate::breaker::observed::Observed;
use crate::breaker::sample::{Class, ObservationId, Reading, Unknown, Value};
use crate::breaker::standing::{Phase, resample};
use crate::breaker::streak::Streak;
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

/// What was seen of the object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Seen<'a> {
    /// Nothing new.
    Nothing,
    /// What it says.
    Report(&'a Report),
    /// What it was to say, and was not let.
    Denied(ObservationId),
}

/// Takes in what was seen, and whatever standing values are due.
pub(super) fn gather(
    circuit: &mut Circuit,
    config: &Config,
    context: Context,
    seen: Seen<'_>,
) -> Evidence {
    let report = match seen {
        Seen::Report(report) => Some(report),
        Seen::Nothing | Seen::Denied(_) => None,
    };
    if report.is_some() && circuit.rules.len() != config.rules.len() {
        circuit.fit_rules(config.rules.len());
    }
    let scene = Scene {
        config,
        phase: Phase::of(circuit, config, context.confirmed_since),
        now: context.now,
    };
    let mut evidence = Evidence::default();
    for (index, (streak, rule)) in circuit
        .rules_mut()
        .iter_mut()
        .zip(&config.rules)
        .enumerate()
    {
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
    if let Seen::Denied(id) = seen {
        evidence.illegal |= scene.deny(&mut circuit.illegal, id);
    }
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
        streak.age(subject, self.now.mono);
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

    /// Takes in a denied update, and says whether the streak of illegal ones is reason to open.
    ///
    /// It counts as a persisted one does, and does not stand: nothing of the object says it. The same one, tried again, counts again
    /// as often as a value that stands would.
    fn deny(&self, streak: &mut Streak, id: ObservationId) -> bool {
        let now = self.now.mono;
        if !self.config.illegal_is_bad || !self.phase.admits(now) {
            return false;
        }
        let counted = streak.denied().filter(|(known, _)| *known == id);
        let every = self.config.resample_every();
        if counted.is_some_and(|(_, at)| every.is_none_or(|every| now < at + every)) {
            return false;
        }
        if self.phase.is_half_open() {
            return true;
        }
        streak.extend(now, self.config.needed());
        streak.note_denied(id, now);
        streak.is_due(self.config, now)
    }

    /// The sample that counts now, if any: a new observation, else the standing one.
    fn sample(
        &self,
        streak: &mut Streak,
        subject: Subject<'_>,
        reading: Option<&Reading>,
    ) -> Option<Verdict> {
        let now = self.now.mono;
        match reading.and_then(|reading| self.observe(streak, subject, reading)) {
            Some(news) => self.phase.admits(now).then_some(news),
            None => resample(streak, subject, self.phase, now),
        }
    }

    /// Records a reading; its verdict, if it is a new observation.
    ///
    /// The order is that of arrival: whatever time an observation carries, it is the newest.
    fn observe(
        &self,
        streak: &mut Streak,
        subject: Subject<'_>,
        reading: &Reading,
    ) -> Option<Verdict> {
        let last = streak.last.as_ref();
        let known = last.filter(|last| last.id == reading.id);
        if known.is_some_and(|last| last.value.as_ref() == subject.stated(reading).ok()) {
            return None;
        }
        let is_first = last.is_none_or(|last| !last.live);
        let arrived = match (known, reading.observed_at) {
            (Some(last), _) => last.arrived,
            (None, Some(observed_at)) if is_first => self.now.mono_of_past(observed_at, EVER),
            (None, _) => self.now.mono,
        };
        let counted = known.map_or_else(|| self.counted(), |last| last.counted);
        let is_news = known.is_none();
        let stale_at = subject.stale_at(reading.observed_at, arrived);
        let mut observed = Observed {
            id: reading.id,
            observed_at: reading.observed_at,
            arrived,
            counted,
            value: subject.stated(reading).ok().cloned(),
            class: Class::Unknown(Unknown::Missing),
            live: true,
            born: self.born(reading, arrived),
        };
        let verdict = if stale_at.is_some_and(|stale_at| self.now.mono >= stale_at) {
            Verdict::Unknown(Unknown::Stale)
        } else {
            let stands = subject.stands(&observed, self.now.mono);
            stands.unwrap_or_else(|| subject.judge(subject.stated(reading)))
        };
        if matches!(verdict, Verdict::Unknown(_)) {
            observed.value = None;
        }
        observed.class = verdict.class();
        streak.last = Some(observed);
        streak.note(verdict, self.phase.is_closed());
        is_news.then_some(verdict)
    }

    /// When an observation that has just arrived is counted: now, or not yet, so that it counts
    /// as what stands once that may count.
    fn counted(&self) -> Mono {
        let now = self.now.mono;
        if self.phase.admits(now) {
            now
        } else {
            Mono(now.0.saturating_sub(1))
        }
    }

    /// When the moment of an Age was. The clocks are compared once; from then on it ages by the
    /// one that does not jump.
    fn born(&self, reading: &Reading, arrived: Mono) -> i64 {
        let signed = |mono: Mono| i64::try_from(mono.0).unwrap_or(i64::MAX);
        match reading.value {
            Ok(Value::Since(since)) => signed(self.now.mono)
                .saturating_sub(self.now.wall.since(since))
                .min(signed(arrived)),
            _ => signed(arrived),
        }
    }
}

/// As far back as the monotonic clock reaches.
const EVER: Span = Span(u64::MAX);
