//! Waves: a change goes to a few nodes first, and to the others once those have taken it.
//!
//! This is the decision alone, without IO; [`Waves`](crate::server::Waves) carries it out.
//!
//! A wave says what canaries make of a change as they answer it: that they took it, not that it does them good.
//! A canary that no longer asks for what is tried when it is back is waited for until the end of the wave's patience.
//! Who says that it is a canary can refuse any change: go by what only you can give, such as ids in bootstraps that you write,
//! or demand certificates.

use std::collections::BTreeSet;
use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;
use std::time::Duration;

use crate::node::Node;
use crate::version::Version;

/// How waves go.
#[derive(Clone, Debug)]
pub struct WavePlan {
    /// Which nodes get a change first.
    pub canaries: Canaries,
    /// How many of a hundred canaries that a change concerns must take it, before it goes to the others.
    pub quorum: u8,
    /// How long they have.
    ///
    /// What is taken away may wait for [`Limits::hold`](crate::protocol::Limits) on the way to them; this should be longer.
    pub patience: Duration,
    /// What happens when they have not answered by then.
    pub overdue: Resolve,
    /// What happens where no canary that the change concerns was ever connected during the wave.
    pub alone: Resolve,
}

/// Which nodes get a change first.
///
/// ```
/// use fusegate_xds::node::Node;
/// use fusegate_xds::wave::Canaries;
///
/// let listed = Canaries::chosen(|node| ["edge-1", "edge-2"].contains(&node.id.as_str()));
/// let near = Canaries::chosen(|node| node.locality.starts_with("eu-west/"));
/// let some = Canaries::percent(10);
/// let node = Node { id: "edge-2".into(), ..Node::default() };
/// assert!(listed.includes(&node) && !near.includes(&node));
/// # drop(some);
/// ```
#[derive(Clone)]
pub struct Canaries(Arc<dyn Fn(&Node) -> bool + Send + Sync>);

impl Canaries {
    /// The nodes of which `choose` says so.
    ///
    /// It must always say the same of the same node, and not block: it is asked whenever a node is heard of.
    pub fn chosen(choose: impl Fn(&Node) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(choose))
    }

    /// So many of a hundred nodes, by a hash of their ids, which is the same on every replica.
    pub fn percent(share: u8) -> Self {
        Self::chosen(move |node| Version::of(node.id.as_bytes()).value() % 100 < u128::from(share))
    }

    /// Whether `node` is one of them.
    pub fn includes(&self, node: &Node) -> bool {
        (self.0)(node)
    }
}

impl Debug for Canaries {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Canaries")
    }
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
            canaries: Canaries::percent(10),
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

    use super::{Answers, Canaries, Cause, Resolve, Wave, WavePlan};
    use crate::node::Node;

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
        let count = |share| {
            let canaries = Canaries::percent(share);
            let node = |number| Node {
                id: format!("edge-{number}"),
                ..Node::default()
            };
            let nodes = (0..1_000).map(node);
            nodes.filter(|node| canaries.includes(node)).count()
        };
        assert!((150..250).contains(&count(20)), "{}", count(20));
        assert_eq!(count(20), count(20));
        assert_eq!((count(0), count(100)), (0, 1_000));
    }
}
