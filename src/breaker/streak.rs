//! A streak: Bad samples in a row of one rule, as far back as `within` reaches.

use std::collections::VecDeque;

use crate::breaker::config::Config;
use crate::breaker::judge::Verdict;
use crate::breaker::observed::Observed;
use crate::breaker::sample::{Class, ObservationId, Unknown};
use crate::breaker::time::{Mono, Span};

/// Bad samples in a row, of one rule.
///
/// A Bad sample that is older than `within` counts no more. A streak whose samples
/// have all gone that way is over; until then, `since` keeps its beginning, so that
/// `atLeast` can be longer than the last `consecutive` samples reach back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Streak {
    /// When each Bad sample that still counts came, oldest first; never longer than `consecutive`.
    pub bad_at: VecDeque<Mono>,
    /// When the streak's first Bad sample came; `None` while there is no streak.
    pub since: Option<Mono>,
    /// The newest observation.
    pub last: Option<Observed>,
    /// Whether the last value that said anything was Bad, and none has been clear since.
    pub sick: bool,
    /// The denied update that the streak counted last, and when; few streaks have any.
    pub denied: Option<Box<(ObservationId, Mono)>>,
}

impl Streak {
    /// How many Bad samples in a row still count, at most `consecutive`.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.bad_at.len()).unwrap_or(u32::MAX)
    }

    /// Whether it lacks nothing for a trip at `now`.
    pub(super) fn is_due(&self, config: &Config, now: Mono) -> bool {
        let spans = self.since.map_or(Span(0), |since| now.since(since));
        self.count() >= config.needed() && spans >= config.at_least
    }

    /// Adds a Bad sample.
    pub(super) fn extend(&mut self, now: Mono, needed: u32) {
        self.since.get_or_insert(now);
        self.bad_at.push_back(now);
        while self.count() > needed {
            self.bad_at.pop_front();
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
        self.bad_at = VecDeque::new();
        self.since = None;
        self.denied = None;
    }

    /// Drops what is older than `within`.
    pub(super) fn expire(&mut self, now: Mono, within: Span) {
        while self
            .bad_at
            .front()
            .is_some_and(|first| now.since(*first) > within)
        {
            self.bad_at.pop_front();
        }
        if self.bad_at.is_empty() && self.since.is_some() {
            self.reset();
        }
    }

    /// The first moment at which a sample of it counts no more.
    pub(super) fn expires(&self, within: Span) -> Option<Mono> {
        let first = self.bad_at.front()?;
        Some(*first + within + Span(1))
    }

    /// Lets a value that has become stale stand no more.
    pub(super) fn age(&mut self, now: Mono) {
        if self.goes_stale().is_some_and(|stale_at| now >= stale_at)
            && let Some(last) = &mut self.last
        {
            last.value = None;
            last.class = Class::Unknown(Unknown::Stale);
        }
    }

    /// When the value that stands goes stale, where it ever does.
    pub(super) fn goes_stale(&self) -> Option<Mono> {
        let last = self.last.as_ref()?;
        last.value.as_ref().and(last.stale_at)
    }

    /// Forgets all but which observation was the newest, so that it isn't taken for news.
    pub(super) fn restart(&mut self, now: Mono) {
        self.reset();
        self.sick = false;
        if let Some(last) = &mut self.last {
            last.stale_at = None;
            last.value = None;
            last.counted = now;
        }
    }
}
