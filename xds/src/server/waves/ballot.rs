//! The ballot: what is tried in a wave, and what each canary that it concerns has made of it.
//!
//! Streams write to it from their own tasks, so that nothing is lost when a client is gone before anybody looked.

use std::sync::Arc;

use arc_swap::ArcSwap;
use imbl::OrdMap;

use crate::snapshot::Snapshot;
use crate::store::Changes;
use crate::type_url::TypeUrl;
use crate::wave::Answers;

/// How many refusals are quoted.
const MAX_QUOTED: usize = 8;

/// A node's subscription to a type, on the stream of this number.
type Voter = (Arc<str>, TypeUrl, u64);

/// What is tried in a wave, and what each canary that it concerns has made of it.
#[derive(Debug)]
pub(super) struct Ballot {
    /// What differs between the two sides.
    pub(super) touched: Changes,
    /// What the canaries' side is with it, whatever urgent changes make of that since.
    pub(super) tried: Snapshot,
    /// Whom it was ever seen to concern, and whether they have caught up with it.
    voters: ArcSwap<OrdMap<Voter, bool>>,
    /// The nodes that refused, and the words of the first few.
    refused: ArcSwap<OrdMap<Arc<str>, Option<Arc<str>>>>,
}

impl Ballot {
    pub(super) fn new(touched: Changes, tried: Snapshot) -> Self {
        Self {
            touched,
            tried,
            voters: ArcSwap::default(),
            refused: ArcSwap::default(),
        }
    }

    /// Notes where a stream stands on a type, which `outcome` finds out, given what was noted before:
    /// whether it has caught up, or `None` if the wave does not concern it.
    pub(super) fn enter(
        &self,
        node: &str,
        type_url: &TypeUrl,
        stream: u64,
        outcome: impl Fn(Option<bool>) -> Option<bool>,
    ) {
        let voter: Voter = (node.into(), type_url.clone(), stream);
        let before = self.voters.load().get(&voter).copied();
        if outcome(before) == before {
            return;
        }
        // It is looked at anew where another has written meanwhile, so that no older look replaces a newer one.
        self.voters
            .rcu(|voters| match outcome(voters.get(&voter).copied()) {
                Some(caught_up) => voters.update(voter.clone(), caught_up),
                None => voters.without(&voter),
            });
    }

    /// Whether a stream was seen to have caught up on a type.
    pub(super) fn has_taken(&self, node: &str, type_url: &TypeUrl, stream: u64) -> bool {
        let voter: Voter = (node.into(), type_url.clone(), stream);
        self.voters.load().get(&voter) == Some(&true)
    }

    /// Notes that a node refused; that is final.
    pub(super) fn refuse(&self, node: &str, words: &str) {
        if self.refused.load().contains_key(node) {
            return;
        }
        let (node, words): (Arc<str>, Arc<str>) = (node.into(), words.into());
        self.refused.rcu(|refused| {
            let quoted = refused.values().flatten().count() < MAX_QUOTED;
            refused.update(Arc::clone(&node), quoted.then(|| Arc::clone(&words)))
        });
    }

    /// The first few refusals: the node's id, and why.
    pub(super) fn refusals(&self) -> Vec<(String, String)> {
        let refused = self.refused.load();
        let quoted = refused.iter().filter_map(|(node, words)| {
            let words = words.as_ref()?;
            Some((node.to_string(), words.to_string()))
        });
        quoted.collect()
    }

    /// What the nodes have made of it; `is_live` says whether a stream is still connected.
    ///
    /// A stream that went without having caught up stands for its node until a later one does.
    pub(super) fn count(&self, is_live: impl Fn(u64) -> bool) -> Answers {
        let voters = self.voters.load();
        let mut answers = Answers {
            refused: self.refused.load().keys().cloned().collect(),
            ..Answers::default()
        };
        let mut later: Option<&Voter> = None;
        for (voter, caught_up) in voters.iter().rev() {
            let (node, type_url, stream) = voter;
            let replaced = later.is_some_and(|later| later.0 == *node && later.1 == *type_url);
            later = Some(voter);
            if answers.refused.contains(node) || (replaced && !caught_up && !is_live(*stream)) {
                continue;
            }
            let side = if *caught_up {
                &mut answers.taken
            } else {
                &mut answers.waiting
            };
            side.insert(Arc::clone(node));
        }
        // A node with several streams has taken it when all of them have.
        answers.taken.retain(|node| !answers.waiting.contains(node));
        answers
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::Ballot;
    use crate::snapshot::Snapshot;
    use crate::store::Changes;
    use crate::type_url::TypeUrl;

    /// Enters `node:type:stream=outcome`, where a `-` is a stream that is gone, and counts `taken waiting`.
    fn check(votes: &str) -> (Vec<String>, Vec<String>) {
        let ballot = Ballot::new(Changes::new(), Snapshot::default());
        let mut live = Vec::new();
        for vote in votes.split(' ').filter(|vote| !vote.is_empty()) {
            let (who, outcome) = vote.split_once('=').unwrap();
            let parts: Vec<&str> = who.split(':').collect();
            let gone = parts[2].starts_with('-');
            let stream: u64 = parts[2].trim_start_matches('-').parse().unwrap();
            if !gone {
                live.push(stream);
            }
            let type_url = TypeUrl::new(parts[1]);
            ballot.enter(parts[0], &type_url, stream, |_| Some(outcome == "taken"));
        }
        let answers = ballot.count(|stream| live.contains(&stream));
        let names = |nodes: &std::collections::BTreeSet<std::sync::Arc<str>>| {
            nodes.iter().map(ToString::to_string).collect()
        };
        (names(&answers.taken), names(&answers.waiting))
    }

    #[rstest]
    #[case::nobody("", &[], &[])]
    #[case::both_took_it("a:t:1=taken b:t:2=taken", &["a", "b"], &[])]
    #[case::who_goes_without_an_answer_is_waited_for("a:t:-1=waiting b:t:2=taken", &["b"], &["a"])]
    #[case::who_went_after_taking_it_took_it("a:t:-1=taken", &["a"], &[])]
    #[case::who_is_back_answers_for_itself("a:t:-1=waiting a:t:3=taken", &["a"], &[])]
    #[case::and_is_asked_anew("a:t:-1=waiting a:t:3=waiting", &[], &["a"])]
    #[case::and_waited_for_when_it_goes_again("a:t:-1=waiting a:t:-3=waiting", &[], &["a"])]
    #[case::another_type_does_not_answer("a:t:-1=waiting a:u:3=taken", &[], &["a"])]
    #[case::all_streams_of_a_node_count("a:t:1=waiting a:t:2=taken", &[], &["a"])]
    fn a_node_stands_where_its_streams_do(
        #[case] votes: &str,
        #[case] taken: &[&str],
        #[case] waiting: &[&str],
    ) {
        let (took, waits) = check(votes);
        assert_eq!((took, waits), (own(taken), own(waiting)));
    }

    fn own(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }
}
