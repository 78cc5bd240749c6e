//! A streak: Bad samples in a row of one rule, as far back as `within` reaches.

use std::collections::VecDeque;

use crate::breaker::config::Config;
use crate::breaker::judge::{Subject, Verdict};
use crate::breaker::observed::Observed;
use crate::breaker::sample::{Class, ObservationId, Unknown};
use crate::breaker::time::{Mono, Span};

/// Bad samples in a row, of one rule, and what stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Streak {
    /// While there are Bad samples that count: few streaks have any, and each circuit has several streaks.
    pub(super) run: Option<Box<Run>>,
    /// The newest observation.
    pub last: Option<Observed>,
    /// Whether the last value that said anything was Bad, and none has been clear since.
    pub sick: bool,
}

/// Bad samples in a row.
///
/// A Bad sample that is older than `within` counts no more. A streak whose samples
/// have all gone that way is over; until then, `since` keeps its beginning, so that
/// `atLeast` can be longer than the last `consecutive` samples reach back.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    /// When each Bad sample that still counts came, oldest first; at least one, and never more than `consecutive`.
    bad_at: VecDeque<Mono>,
    /// When the first Bad sample came.
    since: Mono,
    /// The denied update that was counted last, and when.
    denied: Option<(ObservationId, Mono)>,
}

impl Streak {
    /// One with so many Bad samples.
    #[cfg(test)]
    pub(crate) fn with(last: Option<Observed>, count: u32) -> Self {
        let mut streak = Self {
            last,
            ..Self::default()
        };
        for _ in 0..count {
            streak.extend(Mono(0), count);
        }
        streak
    }

    /// How many Bad samples in a row still count, at most `consecutive`.
    #[must_use]
    pub fn count(&self) -> u32 {
        let count = self.run.as_ref().map_or(0, |run| run.bad_at.len());
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// When each Bad sample that still counts came, oldest first.
    pub(super) fn bad_at(&self) -> impl DoubleEndedIterator<Item = Mono> {
        let run = self.run.iter();
        run.flat_map(|run| run.bad_at.iter().copied())
    }

    /// When the streak's first Bad sample came; `None` while there is no streak.
    pub(super) fn since(&self) -> Option<Mono> {
        self.run.as_ref().map(|run| run.since)
    }

    /// The denied update that the streak counted last, and when.
    pub(super) fn denied(&self) -> Option<(ObservationId, Mono)> {
        self.run.as_ref()?.denied
    }

    /// Whether it lacks nothing for a trip at `now`.
    pub(super) fn is_due(&self, config: &Config, now: Mono) -> bool {
        let spans = self.since().map_or(Span(0), |since| now.since(since));
        self.count() >= config.needed() && spans >= config.at_least
    }

    /// Adds a Bad sample.
    pub(super) fn extend(&mut self, now: Mono, needed: u32) {
        let run = self.run.get_or_insert_with(|| {
            Box::new(Run {
                bad_at: VecDeque::new(),
                since: now,
                denied: None,
            })
        });
        run.bad_at.push_back(now);
        while run.bad_at.len() > needed as usize {
            run.bad_at.pop_front();
        }
    }

    /// Lets a streak, if there is one, have begun earlier.
    pub(super) fn began(&mut self, since: Mono) {
        if let Some(run) = &mut self.run {
            run.since = run.since.min(since);
        }
    }

    /// Notes by which denied update the last Bad sample came.
    pub(super) fn note_denied(&mut self, id: ObservationId, at: Mono) {
        if let Some(run) = &mut self.run {
            run.denied = Some((id, at));
        }
    }

    /// Notes what a value says, whether or not it counts at this moment.
    pub(super) fn note(&mut self, verdict: Verdict, closed: bool) {
        match verdict {
            Verdict::Bad => self.sick = true,
            Verdict::Good => self.sick = false,
            Verdict::Between => self.sick &= !closed,
            Verdict::Unknown(_) => {}
        }
    }

    /// Ends the streak, and gives its memory back.
    pub(super) fn reset(&mut self) {
        self.run = None;
    }

    /// Drops what is older than `within`.
    pub(super) fn expire(&mut self, now: Mono, within: Span) {
        let Some(run) = &mut self.run else { return };
        let is_old = |first: &Mono| now.since(*first) > within;
        while run.bad_at.front().is_some_and(is_old) {
            run.bad_at.pop_front();
        }
        if run.bad_at.is_empty() {
            self.reset();
        }
    }

    /// The first moment at which a sample of it counts no more.
    pub(super) fn expires(&self, within: Span) -> Option<Mono> {
        let first = self.run.as_ref()?.bad_at.front()?;
        Some(*first + within + Span(1))
    }

    /// Lets a value that has become stale stand no more.
    pub(super) fn age(&mut self, subject: Subject<'_>, now: Mono) {
        if let Some(last) = &mut self.last
            && subject
                .goes_stale(last)
                .is_some_and(|stale_at| now >= stale_at)
        {
            last.value = None;
            last.class = Class::Unknown(Unknown::Stale);
        }
    }

    /// Forgets all but which observation was the newest, so that it isn't taken for news.
    pub(super) fn restart(&mut self, now: Mono) {
        self.reset();
        self.sick = false;
        if let Some(last) = &mut self.last {
            last.value = None;
            last.counted = now;
        }
    }
}
