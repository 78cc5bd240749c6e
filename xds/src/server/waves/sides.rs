//! The two sides of a fleet, each with a store, and what the canaries make of what is on theirs.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::proxies::{Proxies, Proxy};
use crate::snapshot::Names;
use crate::store::{Changes, Store};
use crate::wave::{Answers, WavePlan};

/// How many refusals are quoted.
const MAX_QUOTED: usize = 8;

/// The two sides of a fleet.
pub(super) struct Sides {
    pub(super) canaries: Arc<Store>,
    pub(super) others: Arc<Store>,
    pub(super) plan: WavePlan,
    /// Something that canaries said may decide.
    pub(super) heard: Notify,
}

impl Sides {
    /// What the canaries that the wave concerns have made of it.
    pub(super) fn answers(
        &self,
        touched: &Changes,
        since: u64,
        proxies: &Proxies,
    ) -> (Answers, Vec<(String, String)>) {
        let mut answers = Answers::default();
        let mut refusals = Vec::new();
        let all = proxies.list();
        let canaries = all
            .iter()
            .filter(|proxy| self.plan.is_canary(&proxy.node.id));
        for proxy in canaries {
            match self.answer(touched, since, proxy) {
                None => {}
                Some(Answer::Taken) => {
                    answers.taken.insert(proxy.stream);
                }
                Some(Answer::Waiting) => {
                    answers.waiting.insert(proxy.stream);
                }
                Some(Answer::Refused(words)) => {
                    answers.refused.insert(proxy.stream);
                    if refusals.len() < MAX_QUOTED {
                        refusals.push((proxy.node.id.clone(), words));
                    }
                }
            }
        }
        (answers, refusals)
    }

    /// What one canary has made of a wave; `None` if it does not concern it.
    fn answer(&self, touched: &Changes, since: u64, proxy: &Proxy) -> Option<Answer> {
        let snapshot = self.canaries.snapshot();
        let mut answer = None;
        for (type_url, names) in touched {
            let (Some(status), Some(collection)) =
                (proxy.of_type(type_url), snapshot.collection(type_url))
            else {
                continue;
            };
            // What is removed is not told in SotW, except where responses are complete.
            let told = |name: &str| {
                let removals = proxy.transport.delta || type_url.is_full_state();
                removals || collection.is_answered(name)
            };
            let untracked = status.wildcard || status.names.len() < status.subscribed;
            let concerned = |name: &Arc<str>| {
                (untracked || status.names.contains_key(name))
                    && told(name)
                    && proxy.scope.permits(type_url, name)
            };
            let concerned = match names {
                Names::All => true,
                Names::Some(names) => names.iter().any(concerned),
            };
            if !concerned {
                continue;
            }
            let nacked = status.nacked.as_ref();
            if let Some(refused) = nacked.filter(|refused| refused.response.sequence >= since) {
                return Some(Answer::Refused(refused.rejection.message.clone()));
            }
            let acked = status.acked.filter(|acked| acked.sequence >= since);
            let taken = acked.is_some() && status.unanswered == 0;
            answer = match (answer, taken) {
                (Some(Answer::Waiting), _) | (_, false) => Some(Answer::Waiting),
                (_, true) => Some(Answer::Taken),
            };
        }
        answer
    }
}

/// What one canary has made of a wave.
enum Answer {
    Taken,
    Waiting,
    Refused(String),
}
