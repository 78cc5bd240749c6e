//! The ledger: what each caller was answered last, so that a change of answer is told and each poll is not.

use std::collections::HashMap;

use crate::breaker::circuit::TripId;
use crate::breaker::time::{Mono, Span};
use crate::serve::notice::{Answer, Asker, Notice};

/// The most callers that are remembered. Past it all are forgotten, and what each is answered is told once more.
pub const MOST_CALLERS: usize = 4_096;

/// Who has not asked for this long is forgotten: its rollout is over.
const FORGOTTEN_AFTER: Span = Span::from_secs(15 * 60);

/// What each caller was answered last.
#[derive(Debug, Default)]
pub struct Ledger(HashMap<Caller, Last>);

/// One who asks, and what.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    /// Who, where that was said.
    pub asker: Option<Asker>,
    /// The hook.
    pub hook: &'static str,
    /// The namespace asked about.
    pub namespace: String,
    /// The policy asked about, where one was named.
    pub policy: Option<String>,
}

#[derive(Clone, Debug)]
struct Last {
    answer: Answer,
    trip: Option<TripId>,
    /// A mistake's words; of other answers they change with every value.
    mistake: Option<String>,
    asked: Mono,
}

/// What came of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entered {
    /// Whether it is another answer than the last one.
    pub changed: bool,
    /// Whether the last answer was a mistake, which this one is not.
    pub mended: bool,
    /// Whether there was no room, so that all callers were forgotten.
    pub full: bool,
}

impl Ledger {
    /// Enters a notice.
    pub fn enter(&mut self, now: Mono, notice: &Notice) -> Entered {
        let caller = Caller::of(notice);
        let full = self.0.len() >= MOST_CALLERS && !self.0.contains_key(&caller);
        if full {
            self.0.clear();
        }
        let last = Last {
            answer: notice.answer,
            trip: notice.trip,
            mistake: (notice.answer == Answer::Mistake).then(|| notice.reason.clone()),
            asked: now,
        };
        let before = self.0.insert(caller, last.clone());
        let changed = match &before {
            // That the first answer passes is nothing to tell.
            None => last.answer != Answer::Passes,
            Some(before) => !before.is_like(&last),
        };
        let mended = before.is_some_and(|before| before.answer == Answer::Mistake);
        Entered {
            changed,
            mended: mended && notice.answer != Answer::Mistake,
            full,
        }
    }

    /// Forgets those that ask no more; given back are those whose last question was a mistake.
    pub fn forget(&mut self, now: Mono) -> Vec<Caller> {
        let gone = |last: &Last| now.since(last.asked) >= FORGOTTEN_AFTER;
        let mistaken = self.0.iter().filter(|(_, last)| gone(last));
        let mistaken = mistaken.filter(|(_, last)| last.answer == Answer::Mistake);
        let mistaken = mistaken.map(|(caller, _)| caller.clone()).collect();
        self.0.retain(|_, last| !gone(last));
        mistaken
    }

    /// How many callers are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Caller {
    /// Who left a notice.
    #[must_use]
    pub fn of(notice: &Notice) -> Self {
        Self {
            asker: notice.asker.clone(),
            hook: notice.hook,
            namespace: notice.namespace.clone(),
            policy: notice.policy.clone(),
        }
    }
}

impl Last {
    fn is_like(&self, other: &Self) -> bool {
        let key = |last: &Self| (last.answer, last.trip, last.mistake.clone());
        // Whether a passing answer names a trip is of no interest.
        (self.answer, other.answer) == (Answer::Passes, Answer::Passes) || key(self) == key(other)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::serve::counters::Form;

    fn notice(name: &str, answer: Answer, trip: Option<u64>) -> Notice {
        Notice {
            asker: Some(Asker::canary("shop", name)),
            policy: Some("checkout".into()),
            answer,
            trip: trip.map(TripId),
            ..Notice::new(Form::Flagger, "confirm-rollout")
        }
    }

    #[rstest]
    #[case::passing_is_the_rule(&[(Answer::Passes, None)], &[false])]
    #[case::a_poll_is_no_news(&[(Answer::Refuses, Some(1)), (Answer::Refuses, Some(1))], &[true, false])]
    #[case::another_trip_is(&[(Answer::Refuses, Some(1)), (Answer::Refuses, Some(2))], &[true, true])]
    #[case::that_it_passes_again_is(&[(Answer::Refuses, None), (Answer::Passes, None)], &[true, true])]
    #[case::recovered_trips_are_none(&[(Answer::Passes, None), (Answer::Passes, Some(1))], &[false, false])]
    fn a_change_of_answer_is_news(
        #[case] answers: &[(Answer, Option<u64>)],
        #[case] expected: &[bool],
    ) {
        let mut ledger = Ledger::default();
        let told = answers.iter().map(|(answer, trip)| {
            let entered = ledger.enter(Mono(0), &notice("checkout", *answer, *trip));
            entered.changed
        });
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_mistake_is_mended_by_another_answer_or_by_asking_no_more() {
        let mut ledger = Ledger::default();
        ledger.enter(Mono(0), &notice("one", Answer::Mistake, None));
        ledger.enter(Mono(0), &notice("other", Answer::Mistake, None));
        assert!(
            ledger
                .enter(Mono(1), &notice("one", Answer::Refuses, None))
                .mended
        );
        let gone = ledger.forget(Mono(FORGOTTEN_AFTER.0 + 1));
        assert_eq!(gone.len(), 1);
        assert!(ledger.is_empty());
    }

    #[test]
    fn callers_are_bounded() {
        let mut ledger = Ledger::default();
        for number in 0..MOST_CALLERS {
            let entered =
                ledger.enter(Mono(0), &notice(&number.to_string(), Answer::Refuses, None));
            assert!(!entered.full);
        }
        assert!(
            !ledger
                .enter(Mono(0), &notice("0", Answer::Refuses, None))
                .changed
        );
        assert!(
            ledger
                .enter(Mono(0), &notice("one more", Answer::Refuses, None))
                .full
        );
        assert_eq!(ledger.len(), 1);
    }
}
