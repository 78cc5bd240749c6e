//! The bounds of the running program, gathered from where each is kept.

use std::sync::atomic::Ordering;

use fusegate_xds::server::Counts;
use fusegate_xds::{Config, Server};
use prometheus_client::metrics::gauge::Gauge;

use crate::app::logging::limit;
use crate::app::notices::MOST_POLICIES;
use crate::app::{publish, xds};
use crate::effects::{alert, audit, kube_event, removal, revision, rollback, status};
use crate::engine::{MAX_LABEL_BYTES, settings};
use crate::runtime::metrics::{Bound, EffectKind, EffectLabel, EffectResult, KindLabel, Metrics};
use crate::serve::bounds::Standing;
use crate::serve::notice::MOST_NOTICES;
use crate::serve::notice::ledger::MOST_CALLERS;
use crate::serve::server;
use crate::serve::waiters::{MOST_WAITERS, Waiters};
use crate::source::dir;
use crate::source::queue;
use crate::wire::view::SharedView;

/// Where the sizes are.
pub(super) struct Gauges {
    pub(super) metrics: Metrics,
    pub(super) server: Server,
    pub(super) max_streams: usize,
    pub(super) record_limit: u64,
    pub(super) events: queue::Gauge,
    pub(super) waiters: Waiters,
    pub(super) view: SharedView,
}

/// Where the size of a bound is.
enum Size {
    /// Whoever keeps it says it in the metrics.
    Metric,
    /// It is kept elsewhere, and this is it.
    Elsewhere(u64),
    /// There is one for each stream, search or line, and none of the whole.
    OfEach,
}

impl Gauges {
    /// All bounds as they stand. What is kept elsewhere is entered among the metrics.
    pub(super) fn read(&self) -> Vec<Standing> {
        xds::meter(&self.metrics, &self.server);
        let config = Config {
            max_streams: self.max_streams,
            ..publish::config()
        };
        let counts = self.server.counts();
        let standing = |bound: &Bound| {
            let limit = self.limit(*bound, &config);
            self.metrics.bound_limit(*bound, limit);
            Standing {
                name: bound.name(),
                unit: bound.unit(),
                size: self.size(*bound, &counts),
                limit,
                met: self.met(*bound, &counts),
                answer: bound.answer(),
            }
        };
        Bound::ALL.iter().map(standing).collect()
    }

    /// How much of a bound is taken, if there is a size of the whole. It is entered among the metrics.
    fn size(&self, bound: Bound, counts: &Counts) -> Option<u64> {
        let size = match self.place(bound, counts) {
            Size::OfEach => return None,
            Size::Metric => count(&self.metrics.bound_size(bound)),
            Size::Elsewhere(size) => size,
        };
        let gauge = i64::try_from(size).unwrap_or(i64::MAX);
        self.metrics.bound_size(bound).set(gauge);
        Some(size)
    }

    fn place(&self, bound: Bound, counts: &Counts) -> Size {
        let size = match bound {
            Bound::Alerts
            | Bound::AuditLines
            | Bound::DirectoryDocuments
            | Bound::DirectoryFiles
            | Bound::GateCallers
            | Bound::MetricPolicies
            | Bound::Recording => return Size::Metric,
            Bound::Circuits => {
                let view = self.view.load();
                wide(
                    view.policies
                        .values()
                        .map(|policy| policy.circuits.len())
                        .sum(),
                )
            }
            Bound::Objects => wide(self.view.load().objects),
            Bound::EffectsGateNote => self.depth(EffectKind::GateNote),
            Bound::EffectsNote => self.depth(EffectKind::Note),
            Bound::EffectsRecord => self.depth(EffectKind::Record),
            Bound::EffectsRemoveOverride => self.depth(EffectKind::RemoveOverride),
            Bound::EffectsRollback => self.depth(EffectKind::Rollback),
            Bound::EffectsStatus => self.depth(EffectKind::Status),
            Bound::EventBytes => wide(self.events.bytes()),
            Bound::Events => wide(self.events.events()),
            Bound::GateWaiters => wide(self.waiters.count()),
            Bound::HttpConnections => count(&self.metrics.http_connections),
            Bound::LogLines => limit::busiest(),
            Bound::XdsConnections => counts.connections.saturating_sub(counts.connections_ended),
            Bound::XdsStreams => wide(self.server.proxies().len()),
            Bound::GateNotices
            | Bound::LabelBytes
            | Bound::ObjectsOfNamespace
            | Bound::XdsAdmissionWait
            | Bound::XdsBisect
            | Bound::XdsFirstRequest
            | Bound::XdsNameBytes
            | Bound::XdsNames
            | Bound::XdsRequestBytes
            | Bound::XdsResponseBytes
            | Bound::XdsTypes => return Size::OfEach,
        };
        Size::Elsewhere(size)
    }

    fn limit(&self, bound: Bound, config: &Config) -> u64 {
        let limits = &config.limits;
        match bound {
            Bound::Alerts => wide(alert::MOST_ALERTS),
            Bound::AuditLines => wide(audit::MOST_LINES),
            Bound::Circuits => wide(settings::MOST_CIRCUITS),
            Bound::Objects => wide(settings::MOST_OBJECTS),
            Bound::ObjectsOfNamespace => wide(settings::MOST_OBJECTS_OF_NAMESPACE),
            Bound::DirectoryDocuments => wide(dir::MOST_ENTRIES),
            Bound::DirectoryFiles => wide(dir::MOST_FILES),
            Bound::EffectsGateNote => wide(kube_event::GATE_LIMITS.bound),
            Bound::EffectsNote => wide(kube_event::LIMITS.bound),
            Bound::EffectsRecord => wide(revision::LIMITS.bound),
            Bound::EffectsRemoveOverride => wide(removal::LIMITS.bound),
            Bound::EffectsRollback => wide(rollback::LIMITS.bound),
            Bound::EffectsStatus => wide(status::LIMITS.bound),
            Bound::EventBytes => u64::from(super::run::QUEUE.bytes),
            Bound::Events => wide(super::run::QUEUE.events),
            Bound::GateCallers => wide(MOST_CALLERS),
            Bound::GateNotices => wide(MOST_NOTICES),
            Bound::GateWaiters => wide(MOST_WAITERS),
            Bound::HttpConnections => wide(server::MAX_CONNECTIONS),
            Bound::MetricPolicies => wide(MOST_POLICIES),
            Bound::LabelBytes => wide(MAX_LABEL_BYTES),
            Bound::LogLines => u64::from(limit::MOST_LINES),
            Bound::Recording => self.record_limit,
            Bound::XdsAdmissionWait => config.admission_wait.as_secs(),
            Bound::XdsBisect => u64::from(config.bisect.offers),
            Bound::XdsConnections => wide(config.max_connections),
            Bound::XdsFirstRequest => config.first_request.as_secs(),
            Bound::XdsNameBytes => wide(limits.name_bytes),
            Bound::XdsNames => wide(limits.names),
            Bound::XdsRequestBytes => wide(config.max_request_bytes),
            Bound::XdsResponseBytes => wide(config.max_response_bytes),
            Bound::XdsStreams => wide(config.max_streams),
            Bound::XdsTypes => wide(limits.types),
        }
    }

    /// How often a bound was met. What is counted elsewhere is entered among the metrics.
    fn met(&self, bound: Bound, counts: &Counts) -> u64 {
        let counter = self.metrics.bound(bound);
        let elsewhere = match bound {
            Bound::Alerts
            | Bound::Circuits
            | Bound::DirectoryDocuments
            | Bound::DirectoryFiles
            | Bound::EventBytes
            | Bound::Events
            | Bound::GateCallers
            | Bound::GateNotices
            | Bound::GateWaiters
            | Bound::HttpConnections
            | Bound::LabelBytes
            | Bound::MetricPolicies
            | Bound::Objects
            | Bound::ObjectsOfNamespace
            | Bound::Recording => return counter.get(),
            Bound::AuditLines => self.metrics.audit_lines_dropped.get(),
            Bound::EffectsGateNote => self.overflowed(EffectKind::GateNote),
            Bound::EffectsNote => self.overflowed(EffectKind::Note),
            Bound::EffectsRecord => self.overflowed(EffectKind::Record),
            Bound::EffectsRemoveOverride => self.overflowed(EffectKind::RemoveOverride),
            Bound::EffectsRollback => self.overflowed(EffectKind::Rollback),
            Bound::EffectsStatus => self.overflowed(EffectKind::Status),
            Bound::LogLines => limit::left_out(),
            Bound::XdsAdmissionWait
            | Bound::XdsBisect
            | Bound::XdsConnections
            | Bound::XdsFirstRequest
            | Bound::XdsNameBytes
            | Bound::XdsNames
            | Bound::XdsRequestBytes
            | Bound::XdsResponseBytes
            | Bound::XdsStreams
            | Bound::XdsTypes => {
                let mut met = xds::bounds(counts).into_iter();
                met.find(|(of, _)| *of == bound).map_or(0, |(_, met)| met)
            }
        };
        counter.inner().store(elsewhere, Ordering::Relaxed);
        elsewhere
    }

    fn depth(&self, kind: EffectKind) -> u64 {
        let depths = &self.metrics.effect_queue_depth;
        count(&depths.get_or_create(&KindLabel { kind }))
    }

    fn overflowed(&self, kind: EffectKind) -> u64 {
        let result = EffectResult::Overflowed;
        let label = EffectLabel { kind, result };
        self.metrics.effects.get_or_create(&label).get()
    }
}

fn count(gauge: &Gauge) -> u64 {
    u64::try_from(gauge.get()).unwrap_or_default()
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
