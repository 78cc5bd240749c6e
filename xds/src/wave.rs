//! Waves: a change goes to a few nodes first, and to the others once those have taken it.
//!
//! This is the decision alone, without IO; [`Waves`](crate::server::Waves) carries it out.
//!
//! What it does not do well yet: waves that follow each other within one are joined and judged as the newest, so a refusal of the older one
//! may go unheard; a canary that vanishes is not waited for; and one that reconnects holding a change already is waited for in vain.
//! Publish one change at a time, and wait for its end before the next.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::version::Version;

/// How waves go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WavePlan {
    /// How many of a hundred nodes are canaries, by a hash of their ids, which is the same on every replica.
    pub canaries: u8,
    /// How many of a hundred canaries that a change concerns must take it, before it goes to the others.
    pub quorum: u8,
    /// How long they have.
    pub patience: Duration,
    /// What happens when they have not answered by then.
    pub overdue: Resolve,
    /// What happens where no canary that the change concerns was ever connected during the wave.
    pub alone: Resolve,
}

/// How a wave ends that the canaries don't decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolve {
    /// The change goes to all.
    Proceed,
    /// The change is taken back.
    Revert,
}

impl Default for WavePlan {
    fn default() -> Self {
        Self {
            canaries: 10,
            quorum: 100,
            // An Envoy answers within milliseconds, and one that is busy warming within seconds.
            patience: Duration::from_secs(30),
            // Silence is no consent …
            overdue: Resolve::Revert,
            // … but a fleet without canaries must be able to change.
            alone: Resolve::Proceed,
        }
    }
}

impl WavePlan {
    /// Whether the node of this id is a canary.
    pub fn is_canary(&self, node: &str) -> bool {
        Version::of(node.as_bytes()).value() % 100 < u128::from(self.canaries)
    }
}

/// What the canaries that a change concerns have made of it, by the ids of their nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// They have taken it.
    pub taken: BTreeSet<Arc<str>>,
    /// They have refused it, or part of it.
    pub refused: BTreeSet<Arc<str>>,
    /// They have not answered yet, be they connected or gone.
    pub waiting: BTreeSet<Arc<str>>,
}

/// Why a wave ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The quorum of canaries has taken the change.
    Quorum,
    /// A canary has refused it.
    Refused,
    /// They have not answered in time.
    Overdue,
    /// There was no canary to ask.
    Alone,
    /// It was published as urgent, or with no change that could be tried.
    Urgent,
    /// The server shut down first; the canaries alone have it.
    Shutdown,
}

/// One wave that is under way.
#[derive(Clone, Debug)]
pub struct Wave {
    plan: WavePlan,
    since: Duration,
}

impl Wave {
    /// A wave that begins now.
    pub fn new(plan: WavePlan, now: Duration) -> Self {
        Self { plan, since: now }
    }

    /// When the wave ends at the latest.
    pub fn deadline(&self) -> Duration {
        self.since + self.plan.patience
    }

    /// What is to happen, as far as that can be said; `None` to wait on.
    pub fn judge(&self, answers: &Answers, now: Duration) -> Option<(Resolve, Cause)> {
        let asked = answers.taken.len() + answers.waiting.len();
        if !answers.refused.is_empty() {
            return Some((Resolve::Revert, Cause::Refused));
        }
        if asked == 0 {
            return Some((self.plan.alone, Cause::Alone));
        }
        if answers.taken.len() * 100 >= asked * usize::from(self.plan.quorum) {
            return Some((Resolve::Proceed, Cause::Quorum));
        }
        (now >= self.deadline()).then_some((self.plan.overdue, Cause::Overdue))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::ops::Range;
    use std::sync::Arc;
    use std::time::Duration;

    use rstest::rstest;

    use super::{Answers, Cause, Resolve, Wave, WavePlan};

    fn nodes(numbers: Range<u64>) -> BTreeSet<Arc<str>> {
        numbers
            .map(|number| format!("edge-{number}").into())
            .collect()
    }

    fn answers(taken: u64, refused: u64, waiting: u64) -> Answers {
        Answers {
            taken: nodes(0..taken),
            refused: nodes(100..100 + refused),
            waiting: nodes(200..200 + waiting),
        }
    }

    #[rstest]
    #[case::all_took_it(answers(3, 0, 0), 0, Some((Resolve::Proceed, Cause::Quorum)))]
    #[case::enough_took_it(answers(2, 0, 1), 0, Some((Resolve::Proceed, Cause::Quorum)))]
    #[case::not_enough_yet(answers(1, 0, 2), 29, None)]
    #[case::nor_in_time(answers(1, 0, 2), 30, Some((Resolve::Revert, Cause::Overdue)))]
    #[case::one_refused(answers(9, 1, 0), 0, Some((Resolve::Revert, Cause::Refused)))]
    #[case::nobody_to_ask(answers(0, 0, 0), 0, Some((Resolve::Proceed, Cause::Alone)))]
    fn the_canaries_decide(
        #[case] answers: Answers,
        #[case] seconds: u64,
        #[case] expected: Option<(Resolve, Cause)>,
    ) {
        let plan = WavePlan {
            quorum: 60,
            ..WavePlan::default()
        };
        let begun = Duration::from_secs(1_000);
        let wave = Wave::new(plan, begun);
        let now = begun + Duration::from_secs(seconds);
        assert_eq!(wave.judge(&answers, now), expected);
    }

    #[test]
    fn about_the_share_asked_for_are_canaries_and_always_the_same() {
        let plan = WavePlan {
            canaries: 20,
            ..WavePlan::default()
        };
        let canary = |number: &u32| plan.is_canary(&format!("edge-{number}"));
        let canaries = (0..1_000).filter(canary).count();
        assert!((150..250).contains(&canaries), "{canaries}");
        assert_eq!((0..1_000).filter(canary).count(), canaries);
        let none = WavePlan {
            canaries: 0,
            ..plan
        };
        assert!(!(0..1_000).any(|number| none.is_canary(&format!("edge-{number}"))));
    }
}
