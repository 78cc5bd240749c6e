//! Ahead: what is written, or known to be written, before a turn publishes, so that whoever dies in the next moment
//! and starts again knows what it sheds.

use std::time::Duration;

use fusegate_crds::CircuitPolicyStatus;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::breaker::time::Span;
use crate::effects::dispatch::Dispatcher;
use crate::effects::folder::{Folder, Order};
use crate::effects::status;
use crate::wire::effect::{Effect, Opening, StatusWrite};

/// How long what is to be published waits for a directory or an API server that takes no writes. A write takes a
/// tenth of a millisecond there and a few here; what hangs must not keep a trip from Envoy.
pub(super) const WRITE_AHEAD_WITHIN: Duration = Duration::from_millis(250);

/// For how long it is then not waited for again.
const SLOW_FOR: Span = Span::from_secs(10);

type Write = StatusWrite<CircuitPolicyStatus>;

impl Dispatcher {
    /// Begins a turn: what it orders comes after what was ordered before. Where it publishes something, call it before
    /// that is done: what must be written first is, audit lines before statuses, and leaves the effects.
    ///
    /// In a directory all statuses of the turn are written first. At an API server, which is slower, these are only
    /// those of circuits that open and would be forgotten; where the status before is enough to open them again, that
    /// one must be there, and is waited for if it is on its way.
    pub async fn begin(&mut self, effects: &mut Vec<Effect>, publishes: bool) {
        self.turns.0 += 1;
        if !publishes {
            return;
        }
        self.record(effects, Self::is_first).await;
        let known = policy_writes(effects).filter(|write| write.opening == Opening::Repeatable);
        let known: Vec<_> = known.map(|write| status::owner(&write.target)).collect();
        if !known.is_empty() && self.may_wait() {
            let arriving = self.statuses.handled(&known);
            if timeout(WRITE_AHEAD_WITHIN, arriving).await.is_err() {
                self.wait_no_more();
            }
        }
    }

    /// Goes on with a turn that has published: what it tells of circuits that opened is written, and leaves the
    /// effects, before anybody else is told. So no alert, Event or rollback is of a trip that is then forgotten.
    pub async fn go_on(&mut self, effects: &mut Vec<Effect>, published: bool) {
        if published && self.folder.is_none() {
            self.record(effects, |_, write| write.opening != Opening::None)
                .await;
        }
    }

    /// Whether a status is written before what it tells of is published.
    fn is_first(&self, write: &Write) -> bool {
        match write.opening {
            _ if self.folder.is_some() => true,
            Opening::None => false,
            // The one before is not even on its way, and this one in its place takes no longer.
            Opening::Repeatable => self.statuses.waits(&status::owner(&write.target)),
            Opening::Unrecorded => true,
        }
    }

    /// Writes the audit lines, and then some of the policies' statuses, if there are any.
    async fn record(&mut self, effects: &mut Vec<Effect>, which: fn(&Self, &Write) -> bool) {
        if !self.may_wait() || !policy_writes(effects).any(|write| which(self, write)) {
            return;
        }
        let lines = effects.extract_if(.., |effect| matches!(effect, Effect::Audit(_)));
        lines.for_each(|line| self.dispatch(line));
        let writing = async {
            if let Some(log) = &self.log {
                log.written().await;
            }
            match &self.folder {
                Some(folder) => write_files(folder.clone(), self.turns, effects).await,
                None => self.deliver_first(effects, which).await,
            }
        };
        if timeout(WRITE_AHEAD_WITHIN, writing).await.is_err() {
            self.wait_no_more();
        }
    }

    /// Has the executor write some of the policies' statuses before all others, and waits for it.
    async fn deliver_first(&self, effects: &mut Vec<Effect>, which: fn(&Self, &Write) -> bool) {
        let writes = effects.extract_if(.., |effect| {
            policy_write(effect).is_some_and(|write| which(self, write))
        });
        let writes = writes.filter_map(|effect| match effect {
            Effect::PolicyStatus(write) => Some(status::policy(write, self.turns)),
            _ => None,
        });
        self.statuses.deliver_first(writes.collect()).await;
    }

    /// Whether anything is waited for: the leader writes, and what is slow is not waited for again and again.
    fn may_wait(&self) -> bool {
        let now = self.clock.now().mono;
        self.lead.holds() && self.slow_until.is_none_or(|until| now >= until)
    }

    fn wait_no_more(&mut self) {
        self.slow_until = Some(self.clock.now().mono + SLOW_FOR);
        tracing::warn!(
            "what stores the policies' statuses, or the audit log, takes no writes: what is published now is written down only afterwards"
        );
    }
}

/// Puts the files in their places; their executor makes them durable.
async fn write_files(folder: Folder, order: Order, effects: &[Effect]) {
    let writes: Vec<_> = policy_writes(effects).cloned().collect();
    let writing = spawn_blocking(move || status::write_ahead(&folder, order, &writes));
    if let Err(panicked) = writing.await {
        tracing::error!(%panicked, "a status was not written ahead; please report it");
    }
}

fn policy_writes(effects: &[Effect]) -> impl Iterator<Item = &Write> {
    effects.iter().filter_map(policy_write)
}

fn policy_write(effect: &Effect) -> Option<&Write> {
    match effect {
        Effect::PolicyStatus(write) => Some(write),
        _ => None,
    }
}
