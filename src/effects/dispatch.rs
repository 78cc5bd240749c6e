//! The dispatcher: hands each effect to its executor, and never waits.
//!
//! Every replica writes its own audit lines. Everything else is written by the lease holder: the
//! other replicas drop it, and their engine sends it again when they take the lease.

mod ahead;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::breaker::time::{Mono, Span};
use crate::effects::admission::{self, Admissions, Enforced, Order as Enforcing};
use crate::effects::alert::Alerts;
use crate::effects::audit::{self, Audit, Log};
use crate::effects::cluster::Cluster;
use crate::effects::delivery::DeliveryQueue;
use crate::effects::folder::{Folder, Order};
use crate::effects::kube_event::{self, KubeEvents};
use crate::effects::lead::Lead;
use crate::effects::removal::{self, Expired, Removals};
use crate::effects::revision::{self, Revisions};
use crate::effects::rollback::{self, Incident, Place, Rollbacks};
use crate::effects::status::{self, StatusOwner, StatusUpdate, Statuses, Versions};
use crate::runtime::clock::Clock;
use crate::runtime::http_client::Unprepared;
use crate::runtime::metrics::{EffectKind, EffectResult, Metrics};
use crate::runtime::server_url::ServerUrl;
use crate::runtime::tenure::Tenure;
use crate::source::dir::layout::Layout;
use crate::source::queue;
use crate::wire::effect::{Effect, KubeEvent, Record, Rollback};

/// What effects need.
#[derive(Debug)]
pub struct Config {
    /// Where they are written.
    pub backend: Backend,
    /// Where audit lines go; `None` for nowhere.
    pub audit: Option<audit::Destination>,
    /// Every Alertmanager.
    pub alertmanagers: Vec<ServerUrl>,
    /// Where rollbacks report how they ended.
    pub reports: queue::Sender,
    /// The clock.
    pub clock: Clock,
    /// How long this replica leads, once it is told so.
    pub tenure: Tenure,
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
    Alerting(#[from] Unprepared),
}

/// All executors.
#[derive(Debug)]
pub struct Dispatcher {
    leading: watch::Sender<bool>,
    lead: Lead,
    clock: Clock,
    metrics: Metrics,
    log: Option<Log>,
    alerts: Alerts,
    statuses: DeliveryQueue<StatusOwner, StatusUpdate>,
    kube_events: DeliveryQueue<kube_event::Identity, KubeEvent>,
    records: DeliveryQueue<revision::Identity, Record>,
    rollbacks: DeliveryQueue<Incident, Rollback>,
    removals: DeliveryQueue<Expired, ()>,
    admissions: DeliveryQueue<Enforced, Enforcing>,
    /// The directory, where there is one.
    folder: Option<Folder>,
    /// How many turns of the engine were handed over.
    turns: Order,
    /// Until then what took no writes is not waited for.
    slow_until: Option<Mono>,
}

impl Dispatcher {
    /// Starts every executor; none writes before [`Dispatcher::set_leading`].
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
            tenure,
            metrics,
        } = config;
        let (leading, told) = watch::channel(false);
        let lead = Lead::new(told, tenure);
        let log = audit
            .map(|destination| Log::open(destination, clock, metrics.clone()))
            .transpose()?;
        let alerts = Alerts::start(alertmanagers, lead.clone(), clock, metrics.clone())?;
        let folder = match &backend {
            Backend::Kube { .. } => None,
            Backend::Dir(layout) => Some(Folder::new(layout.clone())),
        };
        let executors = Executors::at(backend, folder.clone(), lead.clone());
        let rollbacks = Rollbacks {
            place: executors.rollbacks,
            reports: reports.clone(),
            clock,
        };
        let admissions = Admissions {
            cluster: executors.cluster,
            reports,
        };
        let (at, m) = (|| lead.clone(), || metrics.clone());
        Ok(Self {
            log,
            alerts,
            statuses: DeliveryQueue::start(status::LIMITS, executors.statuses, at(), m()),
            kube_events: DeliveryQueue::start(kube_event::LIMITS, executors.kube_events, at(), m()),
            records: DeliveryQueue::start(revision::LIMITS, executors.revisions, at(), m()),
            rollbacks: DeliveryQueue::start(rollback::LIMITS, rollbacks, at(), m()),
            removals: DeliveryQueue::start(removal::LIMITS, executors.removals, at(), m()),
            admissions: DeliveryQueue::start(admission::LIMITS, admissions, at(), m()),
            leading,
            lead,
            clock,
            metrics,
            folder,
            turns: Order::default(),
            slow_until: None,
        })
    }

    /// Sets whether this replica holds the lease. Call it before the engine is told: the engine then
    /// sends everything again.
    pub fn set_leading(&self, leading: bool) {
        self.leading.send_if_modified(|before| {
            let changed = *before != leading;
            *before = leading;
            changed
        });
        self.metrics.leading.set(i64::from(leading));
    }

    /// Whether this replica was told that it leads, and has not renewed its lease in time since.
    #[must_use]
    pub fn has_lapsed(&self) -> bool {
        *self.leading.borrow() && !self.lead.holds()
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
            Effect::PolicyStatus(write) => self.state(status::policy(write, self.turns)),
            Effect::ContractStatus(write) => self.state(status::contract(write)),
            Effect::OverrideAccepted(acceptance) => self.state(status::acceptance(acceptance)),
            Effect::RemoveOverride(target) => self.removals.send(Expired(target), ()),
            Effect::KubeEvent(kube_event) => self
                .kube_events
                .send(kube_event::Identity::of(&kube_event), kube_event),
            Effect::Alert(alert) => self.alerts.send(alert),
            Effect::Record(record) => self.records.send(revision::Identity::of(&record), record),
            Effect::Admission(order) => {
                let contract = Enforced::Contract(order.contract.name.clone());
                self.admissions.send(contract, Enforcing::Policy(*order));
            }
            Effect::Webhook(order) => self
                .admissions
                .send(Enforced::Webhook, Enforcing::Webhook(order)),
            Effect::Rollback(order) => {
                self.rollbacks
                    .send(Incident(order.incident.clone()), *order);
            }
        }
    }

    fn state(&self, (owner, update): (StatusOwner, StatusUpdate)) {
        self.statuses.send(owner, update);
    }

    /// Carries out what waits, for at most this long, and ends every executor. Hold the lease until
    /// it returns.
    pub async fn drain(self, within: Span) {
        let deadline = self.clock.now().mono + within;
        let deadline = self.clock.instant_of(deadline).into();
        tokio::join!(
            self.statuses.drain(deadline),
            self.kube_events.drain(deadline),
            self.records.drain(deadline),
            self.rollbacks.drain(deadline),
            self.removals.drain(deadline),
            self.admissions.drain(deadline),
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
    queue: DeliveryQueue<kube_event::Identity, KubeEvent>,
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
    pub fn start(backend: Backend, clock: Clock, metrics: Metrics) -> Self {
        let (leading, told) = watch::channel(true);
        let lead = Lead::new(told, Tenure::endless(clock));
        let notes = Executors::at(backend, None, lead.clone()).kube_events;
        Self {
            queue: DeliveryQueue::start(kube_event::GATE_LIMITS, notes, lead, metrics),
            _leads: leading,
        }
    }

    /// Hands over an Event without waiting.
    pub fn send(&self, note: KubeEvent) {
        self.queue.send(kube_event::Identity::of(&note), note);
    }

    /// Writes what waits, at most until the deadline.
    pub async fn drain(self, deadline: Instant) {
        self.queue.drain(deadline).await;
    }
}

/// The executors of one backend.
struct Executors {
    statuses: Statuses,
    kube_events: KubeEvents,
    revisions: Revisions,
    rollbacks: Place,
    removals: Removals,
    /// The API server, where there is one.
    cluster: Option<Cluster>,
}

impl Executors {
    fn at(backend: Backend, folder: Option<Folder>, lead: Lead) -> Self {
        match backend {
            Backend::Kube { cluster, instance } => Self {
                statuses: Statuses::Kube(cluster.clone(), Versions::new(lead)),
                revisions: Revisions::Kube(cluster.clone()),
                rollbacks: Place::Kube(cluster.clone()),
                removals: Removals::Kube(cluster.clone()),
                cluster: Some(cluster.clone()),
                kube_events: KubeEvents::Kube { cluster, instance },
            },
            Backend::Dir(layout) => {
                let folder = folder.unwrap_or_else(|| Folder::new(layout));
                Self {
                    statuses: Statuses::Dir(folder.clone()),
                    revisions: Revisions::Dir(folder.clone()),
                    rollbacks: Place::Dir(folder.clone()),
                    removals: Removals::Dir(folder),
                    cluster: None,
                    kube_events: KubeEvents::Log,
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
        Effect::KubeEvent(_) => EffectKind::KubeEvent,
        Effect::Alert(_) => EffectKind::Alert,
        Effect::Record(_) => EffectKind::Record,
        Effect::Rollback(_) => EffectKind::Rollback,
        Effect::Admission(_) | Effect::Webhook(_) => EffectKind::Admission,
    }
}

#[cfg(test)]
mod tests;
