//! The dispatcher: hands each effect to its executor, and never waits.
//!
//! Audit lines are every replica's own. Everything else is the lease holder's: other replicas drop
//! it, and the engine orders it anew when the lease comes to them.

use tokio::sync::watch;
use tokio::time::Instant;

use crate::breaker::time::Span;
use crate::effects::alert::{Address, Alerting, Alerts};
use crate::effects::audit::{self, Audit, Log};
use crate::effects::cluster::Cluster;
use crate::effects::courier::Courier;
use crate::effects::folder::Folder;
use crate::effects::note::{self, Notes};
use crate::effects::removal::{self, Expired, Removals};
use crate::effects::revision::{self, Revisions};
use crate::effects::rollback::{self, Incident, Place, Rollbacks};
use crate::effects::status::{self, Statement, Statuses, Subject};
use crate::runtime::clock::Clock;
use crate::runtime::metrics::{EffectKind, EffectResult, Metrics};
use crate::source::dir::layout::Layout;
use crate::source::queue;
use crate::wire::effect::{Effect, Note, Record, Rollback};

/// What effects need.
#[derive(Debug)]
pub struct Config {
    /// Where they are written.
    pub backend: Backend,
    /// Where audit lines go; nowhere, when absent.
    pub audit: Option<audit::Destination>,
    /// Every Alertmanager.
    pub alertmanagers: Vec<Address>,
    /// How rollbacks report their ends to the engine.
    pub reports: queue::Sender,
    /// The clock.
    pub clock: Clock,
    /// The metrics.
    pub metrics: Metrics,
}

/// Where effects are written.
#[derive(Clone, Debug)]
pub enum Backend {
    /// To an API server.
    Kube {
        /// Which.
        cluster: Cluster,
        /// This replica's name, in Kubernetes Events: the pod's.
        instance: String,
    },
    /// To a directory.
    Dir(Layout),
}

/// Why effects can't be carried out.
#[derive(Debug, thiserror::Error)]
pub enum Dispatch {
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] Audit),
    /// The alerts.
    #[error(transparent)]
    Alerting(#[from] Alerting),
}

/// All executors.
#[derive(Debug)]
pub struct Dispatcher {
    leading: watch::Sender<bool>,
    clock: Clock,
    metrics: Metrics,
    log: Option<Log>,
    alerts: Alerts,
    statuses: Courier<Subject, Statement>,
    notes: Courier<note::Identity, Note>,
    records: Courier<revision::Identity, Record>,
    rollbacks: Courier<Incident, Rollback>,
    removals: Courier<Expired, ()>,
}

impl Dispatcher {
    /// Starts every executor; none writes before [`Dispatcher::set_leading`] says so.
    ///
    /// # Errors
    ///
    /// When the audit log can't be opened, or TLS for Alertmanagers can't be prepared.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub fn start(config: Config) -> Result<Self, Dispatch> {
        let Config {
            backend,
            audit,
            alertmanagers,
            reports,
            clock,
            metrics,
        } = config;
        let (leading, leads) = watch::channel(false);
        let log = audit
            .map(|destination| Log::open(destination, clock, metrics.clone()))
            .transpose()?;
        let alerts = Alerts::start(alertmanagers, leads.clone(), clock, metrics.clone())?;
        let executors = Executors::at(backend);
        let rollbacks = Rollbacks {
            place: executors.rollbacks,
            reports,
            clock,
        };
        let (at, m) = (|| leads.clone(), || metrics.clone());
        Ok(Self {
            log,
            alerts,
            statuses: Courier::start(status::LIMITS, executors.statuses, at(), m()),
            notes: Courier::start(note::LIMITS, executors.notes, at(), m()),
            records: Courier::start(revision::LIMITS, executors.revisions, at(), m()),
            rollbacks: Courier::start(rollback::LIMITS, rollbacks, at(), m()),
            removals: Courier::start(removal::LIMITS, executors.removals, at(), m()),
            leading,
            clock,
            metrics,
        })
    }

    /// Says whether this replica holds the lease. Say so before the engine is told, since it orders
    /// everything anew then.
    pub fn set_leading(&self, leading: bool) {
        self.leading.send_if_modified(|before| {
            let changed = *before != leading;
            *before = leading;
            changed
        });
        self.metrics.leading.set(i64::from(leading));
    }

    /// Hands an effect to its executor without waiting.
    pub fn dispatch(&self, effect: Effect) {
        if let Effect::Audit(line) = effect {
            if let Some(log) = &self.log {
                log.push(line);
            }
        } else if *self.leading.borrow() {
            self.order(effect);
        } else {
            self.metrics.effect(kind(&effect), EffectResult::NotLeading);
        }
    }

    fn order(&self, effect: Effect) {
        match effect {
            Effect::Audit(_) => {}
            Effect::PolicyStatus(write) => self.state(status::policy(write)),
            Effect::ContractStatus(write) => self.state(status::contract(write)),
            Effect::OverrideAccepted(acceptance) => self.state(status::acceptance(acceptance)),
            Effect::RemoveOverride(target) => self.removals.send(Expired(target), ()),
            Effect::Note(note) => self.notes.send(note::Identity::of(&note), note),
            Effect::Alert(alert) => self.alerts.send(alert),
            Effect::Record(record) => self.records.send(revision::Identity::of(&record), record),
            Effect::Rollback(order) => {
                self.rollbacks
                    .send(Incident(order.incident.clone()), *order);
            }
        }
    }

    fn state(&self, (subject, statement): (Subject, Statement)) {
        self.statuses.send(subject, statement);
    }

    /// Carries out what waits, at most for this long, and ends every executor. The lease should be
    /// held until then.
    pub async fn drain(self, within: Span) {
        let deadline = self.clock.now().mono + within;
        let deadline = self.clock.instant_of(deadline).into();
        tokio::join!(
            self.statuses.drain(deadline),
            self.notes.drain(deadline),
            self.records.drain(deadline),
            self.rollbacks.drain(deadline),
            self.removals.drain(deadline),
            self.alerts.drain(deadline),
            async {
                if let Some(log) = self.log {
                    log.drain(deadline).await;
                }
            },
        );
    }
}

/// The Events about what gates answer. Every replica is asked, and tells of its own, whoever leads.
#[derive(Debug)]
pub struct GateNotes {
    queue: Courier<note::Identity, Note>,
    /// Kept, or the queue would take itself for no leader's.
    _leads: watch::Sender<bool>,
}

impl GateNotes {
    /// Starts the queue.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn start(backend: Backend, metrics: Metrics) -> Self {
        let (leading, leads) = watch::channel(true);
        let notes = Executors::at(backend).notes;
        Self {
            queue: Courier::start(note::GATE_LIMITS, notes, leads, metrics),
            _leads: leading,
        }
    }

    /// Hands over an Event without waiting.
    pub fn send(&self, note: Note) {
        self.queue.send(note::Identity::of(&note), note);
    }

    /// Writes what waits, at most until the deadline.
    pub async fn drain(self, deadline: Instant) {
        self.queue.drain(deadline).await;
    }
}

/// The executors of one backend.
struct Executors {
    statuses: Statuses,
    notes: Notes,
    revisions: Revisions,
    rollbacks: Place,
    removals: Removals,
}

impl Executors {
    fn at(backend: Backend) -> Self {
        match backend {
            Backend::Kube { cluster, instance } => Self {
                statuses: Statuses::Kube(cluster.clone()),
                revisions: Revisions::Kube(cluster.clone()),
                rollbacks: Place::Kube(cluster.clone()),
                removals: Removals::Kube(cluster.clone()),
                notes: Notes::Kube { cluster, instance },
            },
            Backend::Dir(layout) => {
                let folder = Folder::new(layout);
                Self {
                    statuses: Statuses::Dir(folder.clone()),
                    revisions: Revisions::Dir(folder.clone()),
                    rollbacks: Place::Dir(folder.clone()),
                    removals: Removals::Dir(folder),
                    notes: Notes::Log,
                }
            }
        }
    }
}

fn kind(effect: &Effect) -> EffectKind {
    match effect {
        Effect::Audit(_) => EffectKind::Audit,
        Effect::PolicyStatus(_) | Effect::ContractStatus(_) | Effect::OverrideAccepted(_) => {
            EffectKind::Status
        }
        Effect::RemoveOverride(_) => EffectKind::RemoveOverride,
        Effect::Note(_) => EffectKind::Note,
        Effect::Alert(_) => EffectKind::Alert,
        Effect::Record(_) => EffectKind::Record,
        Effect::Rollback(_) => EffectKind::Rollback,
    }
}

#[cfg(test)]
mod tests;
