//! Notices: what gates answered, told in the log, as Events on Canary, Rollout and policy, in counters, and to the engine.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::interval;
use tokio_util::sync::CancellationToken;

use crate::breaker::time::{Now, Span};
use crate::effects::dispatch::GateNotes;
use crate::runtime::clock::Clock;
use crate::runtime::metrics::{Bound, GateCallLabel, Metrics};
use crate::serve::notice::ledger::{Caller, Ledger};
use crate::serve::notice::{Answer, Asker, Notice};
use crate::source::queue::Sender;
use crate::wire::effect::{KubeEvent, Regarding, Target};
use crate::wire::event::{Event, Misasked};
use crate::wire::view::SharedView;

/// The most policies that answers are counted by; those of the others are counted together, under no name.
pub(super) const MOST_POLICIES: usize = 1_000;

/// How often callers that ask no more are forgotten.
const FORGET_EVERY: Duration = Duration::from_mins(1);

/// Events of one caller about one trip, or without one within this, are one.
const ONCE_WITHIN: Span = Span::from_secs(3_600);

/// Reports what gates answered: as logs, counts, and Events.
pub(super) struct GateReporter {
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) view: SharedView,
    pub(super) notes: GateNotes,
    pub(super) engine: Sender,
    pub(super) ledger: Ledger,
    pub(super) counted: BTreeSet<(String, String)>,
}

impl GateReporter {
    /// Runs until shutdown, then lets what is under way finish.
    pub(super) async fn run(
        mut self,
        mut notices: mpsc::Receiver<Notice>,
        shutdown: CancellationToken,
    ) {
        let mut forget = interval(FORGET_EVERY);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(notice) = notices.recv() => self.take(notice).await,
                _ = forget.tick() => self.forget().await,
            }
        }
        let deadline = self
            .clock
            .instant_of(self.clock.now().mono + super::run::DRAIN);
        self.notes.drain(deadline.into()).await;
    }

    async fn take(&mut self, notice: Notice) {
        let now = self.clock.now();
        let uid = self.policy_uid(&notice);
        self.count(&notice, uid.is_some());
        let entered = self.ledger.enter(now.mono, &notice);
        let callers = self.metrics.bound_size(Bound::GateCallers);
        callers.set(i64::try_from(self.ledger.len()).unwrap_or(i64::MAX));
        if entered.full {
            self.metrics.bound_met(Bound::GateCallers);
        }
        if !entered.changed {
            return;
        }
        log(&notice);
        self.note(now, &notice, uid.as_deref());
        if uid.is_some() && (notice.answer == Answer::Mistake || entered.mended) {
            let problem = (notice.answer == Answer::Mistake).then(|| notice.reason.as_str().into());
            self.report(&Caller::of(&notice), problem).await;
        }
    }

    async fn forget(&mut self) {
        for caller in self.ledger.forget(self.clock.now().mono) {
            self.report(&caller, None).await;
        }
    }

    /// Tells the engine, which says it in the policy's status. That it has ended is told elsewhere.
    async fn report(&self, caller: &Caller, problem: Option<Box<str>>) {
        let Some(policy) = caller.policy.as_deref() else {
            return;
        };
        let misasked = Misasked {
            namespace: caller.namespace.as_str().into(),
            policy: policy.into(),
            caller: title(caller.asker.as_ref(), caller.hook).into(),
            problem,
        };
        let _closed = self.engine.send(Event::Misasked(misasked)).await;
    }

    /// The uid of the policy asked about, if there is one.
    fn policy_uid(&self, notice: &Notice) -> Option<Arc<str>> {
        let key = (
            Arc::from(notice.namespace.as_str()),
            Arc::from(notice.policy.as_deref()?),
        );
        let view = self.view.load();
        view.policies.get(&key).map(|policy| policy.uid.clone())
    }

    fn count(&mut self, notice: &Notice, known: bool) {
        let policy = notice.policy.clone().filter(|_| known);
        let key = policy.map(|policy| (notice.namespace.clone(), policy));
        let key = key.filter(|key| self.has_room(key));
        let (namespace, policy) = key.unwrap_or_default();
        let answer = notice.answer.name();
        let label = GateCallLabel {
            namespace,
            policy,
            answer,
        };
        self.metrics.gate_calls.get_or_create(&label).inc();
    }

    fn has_room(&mut self, key: &(String, String)) -> bool {
        if self.counted.contains(key) {
            return true;
        }
        if self.counted.len() >= MOST_POLICIES {
            self.metrics.bound_met(Bound::MetricPolicies);
            return false;
        }
        self.counted.insert(key.clone());
        let policies = self.metrics.bound_size(Bound::MetricPolicies);
        policies.set(i64::try_from(self.counted.len()).unwrap_or(i64::MAX));
        true
    }

    fn note(&self, now: Now, notice: &Notice, uid: Option<&str>) {
        let policy = uid.zip(notice.policy.as_deref()).map(|(uid, policy)| {
            let names = (notice.namespace.as_str(), policy);
            regarding("fusegate.io/v1alpha1", "CircuitPolicy", names, uid)
        });
        let asker = notice.asker.as_ref().map(|asker| {
            let api_version = match asker.kind {
                "Canary" => "flagger.app/v1beta1",
                _ => "argoproj.io/v1alpha1",
            };
            let names = (asker.namespace.as_str(), asker.name.as_str());
            regarding(api_version, asker.kind, names, "")
        });
        for regarding in [policy, asker].into_iter().flatten() {
            self.notes.send(event(now, notice, regarding));
        }
    }
}

fn regarding(
    api_version: &str,
    kind: &str,
    (namespace, name): (&str, &str),
    uid: &str,
) -> Regarding {
    Regarding {
        api_version: api_version.into(),
        kind: kind.into(),
        target: Target {
            namespace: namespace.into(),
            name: name.into(),
            uid: uid.into(),
        },
    }
}

fn event(now: Now, notice: &Notice, regarding: Regarding) -> KubeEvent {
    let (warning, reason, action) = match notice.answer {
        Answer::Passes => (false, "GatePasses", "Pass"),
        Answer::Refuses => (true, "GateRefuses", "Hold"),
        Answer::Mistake => (true, "GateMistake", "Hold"),
        Answer::RollsBack => (true, "GateRollsBack", "RollBack"),
    };
    let caller = title(notice.asker.as_ref(), notice.hook);
    let told = notice.trip.map_or_else(
        || (now.wall.0 / i64::try_from(ONCE_WITHIN.0).unwrap_or(i64::MAX)).to_string(),
        |trip| trip.to_string(),
    );
    KubeEvent {
        regarding,
        warning,
        reason,
        action,
        note: format!("{caller}: {}", notice.reason).into(),
        once: format!("{caller}/{told}").into(),
        at: now.wall.0,
    }
}

/// `Canary shop/checkout at confirm-rollout`.
fn title(asker: Option<&Asker>, hook: &str) -> String {
    asker.map_or_else(
        || hook.to_owned(),
        |asker| {
            format!(
                "{} {}/{} at {hook}",
                asker.kind, asker.namespace, asker.name
            )
        },
    )
}

fn log(notice: &Notice) {
    let (form, hook) = (notice.form, notice.hook);
    let caller = title(notice.asker.as_ref(), hook);
    let (namespace, answer) = (&notice.namespace, notice.answer.name());
    let policy = notice.policy.as_deref().unwrap_or_default();
    let trip = notice.trip.map(|trip| trip.to_string()).unwrap_or_default();
    let reason = &notice.reason;
    match notice.answer {
        Answer::Passes | Answer::Refuses => {
            tracing::info!(
                ?form,
                namespace,
                policy,
                caller,
                hook,
                answer,
                trip,
                "{reason}"
            );
        }
        Answer::Mistake | Answer::RollsBack => {
            tracing::warn!(
                ?form,
                namespace,
                policy,
                caller,
                hook,
                answer,
                trip,
                "{reason}"
            );
        }
    }
}

#[cfg(test)]
mod tests;
