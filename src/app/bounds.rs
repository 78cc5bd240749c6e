//! The bounds of the running program: one table of where the size, the limit and the count of each come from.

use std::sync::atomic::Ordering;

use fusegate_xds::server::Counts;
use fusegate_xds::{Config, Server};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::watch;

use crate::app::history::MOST_TURNS;
use crate::app::logging::limit;
use crate::app::notices::MOST_POLICIES;
use crate::app::{publish, traces, xds};
use crate::effects::{admission, alert, audit, kube_event, removal, revision, rollback, status};
use crate::engine::{MAX_LABEL_BYTES, settings};
use crate::runtime::memory::pressure::Memory;
use crate::runtime::metrics::{Bound, EffectKind, EffectLabel, EffectResult, KindLabel, Metrics};
use crate::runtime::otlp;
use crate::runtime::shard::Share;
use crate::serve::bounds::BoundUsage;
use crate::serve::history;
use crate::serve::notice::MOST_NOTICES;
use crate::serve::notice::ledger::MOST_CALLERS;
use crate::serve::server;
use crate::serve::waiters::{MOST_WAITERS, Waiters};
use crate::serve::webhook;
use crate::serve::{access, alertmanager};
use crate::source::{dir, prometheus, queue};
use crate::wire::query::{MOST_QUERIES, MOST_SERIES};
use crate::wire::view::SharedView;

/// What the sizes and limits are read from.
pub(super) struct Gauges {
    pub(super) metrics: Metrics,
    pub(super) server: Server,
    pub(super) share: Share,
    pub(super) max_streams: usize,
    pub(super) record_limit: u64,
    pub(super) events: queue::Gauge,
    pub(super) events_limit: queue::Limits,
    pub(super) waiters: Waiters,
    pub(super) view: SharedView,
    pub(super) memory: watch::Receiver<Memory>,
}

/// One bound.
struct Row {
    size: Size,
    limit: u64,
    /// How often it was met, if that is counted elsewhere than in the metrics.
    met: Option<u64>,
}

/// How much of a bound is used.
enum Size {
    /// It is in the metrics.
    Metric,
    /// It is counted elsewhere.
    Of(u64),
    /// The bound holds for each stream, search or line, so there is no size of the whole.
    Each,
}

impl Gauges {
    /// All bounds as they stand. What is counted elsewhere is copied into the metrics.
    pub(super) fn read(&self) -> Vec<BoundUsage> {
        xds::meter(&self.metrics, &self.server, &self.share);
        let config = Config {
            max_streams: self.max_streams,
            ..publish::config()
        };
        let counts = self.server.counts();
        let met_by_xds = xds::bounds(&counts);
        let standing = |bound: &Bound| {
            let Row { size, limit, met } = self.row(*bound, &config, &counts);
            let met_by_xds = met_by_xds.iter().find(|(of, _)| of == bound);
            let met = met.or(met_by_xds.map(|(_, met)| *met));
            self.metrics.bound_limit(*bound, limit);
            BoundUsage {
                name: bound.name(),
                unit: bound.unit(),
                size: self.size(*bound, &size),
                limit,
                met: self.met(*bound, met),
                answer: bound.answer(),
            }
        };
        Bound::ALL.iter().map(standing).collect()
    }

    /// The table. A new bound is one row here.
    #[allow(clippy::too_many_lines, reason = "there is a row for each bound")]
    fn row(&self, bound: Bound, config: &Config, counts: &Counts) -> Row {
        use Bound as B;
        match bound {
            B::AlertOrders => metric(wide(alertmanager::MOST_ORDERS)),
            B::Alerts => metric(wide(alert::MOST_ALERTS)),
            B::AuditLines => Row {
                met: Some(self.metrics.audit_lines_dropped.get()),
                ..metric(wide(audit::MOST_LINES))
            },
            B::Circuits => sized(self.circuits(), wide(settings::MOST_CIRCUITS)),
            B::CircuitsOfNamespace => each(wide(settings::MOST_CIRCUITS_OF_NAMESPACE)),
            B::Denials => each(wide(webhook::MOST_DENIALS)),
            B::DirectoryDocuments => metric(wide(dir::MOST_ENTRIES)),
            B::DirectoryFiles => metric(wide(dir::MOST_FILES)),
            B::EffectsAdmission => self.effects(EffectKind::Admission, admission::LIMITS.bound),
            B::EffectsGateNote => self.effects(EffectKind::GateNote, kube_event::GATE_LIMITS.bound),
            B::EffectsKubeEvent => self.effects(EffectKind::KubeEvent, kube_event::LIMITS.bound),
            B::EffectsRecord => self.effects(EffectKind::Record, revision::LIMITS.bound),
            B::EffectsRemoveOverride => {
                self.effects(EffectKind::RemoveOverride, removal::LIMITS.bound)
            }
            B::EffectsRollback => self.effects(EffectKind::Rollback, rollback::LIMITS.bound),
            B::EffectsStatus => self.effects(EffectKind::Status, status::LIMITS.bound),
            B::EventBytes => sized(wide(self.events.bytes()), self.events_limit.bytes.into()),
            B::Events => sized(wide(self.events.events()), wide(self.events_limit.events)),
            B::GateCallers => metric(wide(MOST_CALLERS)),
            B::GateNotices => each(wide(MOST_NOTICES)),
            B::GateWaiters => sized(wide(self.waiters.count()), wide(MOST_WAITERS)),
            B::HistoryCircuits => metric(wide(history::MOST_CIRCUITS)),
            B::HistoryTrips => metric(wide(history::story::MOST_TRIPS)),
            B::HistoryTurns => each(wide(MOST_TURNS)),
            B::HttpCallers => metric(wide(access::MOST_CALLERS)),
            B::HttpConnections => sized(
                count(&self.metrics.http_connections),
                wide(server::MAX_CONNECTIONS),
            ),
            B::LabelBytes => each(wide(MAX_LABEL_BYTES)),
            B::LogLines => Row {
                size: Size::Of(limit::busiest()),
                limit: limit::MOST_LINES.into(),
                met: Some(limit::left_out()),
            },
            B::Memory => {
                let memory = *self.memory.borrow();
                match memory.short_from() {
                    // Nothing limits it.
                    0 => each(0),
                    from => sized(memory.used, from),
                }
            }
            B::MetricPolicies => metric(wide(MOST_POLICIES)),
            B::Objects => sized(wide(self.view.load().objects), wide(settings::MOST_OBJECTS)),
            B::ObjectsOfNamespace => each(wide(settings::MOST_OBJECTS_OF_NAMESPACE)),
            B::PrometheusAnswerBytes => each(wide(prometheus::MOST_BYTES)),
            B::PrometheusAtOnce => metric(wide(prometheus::AT_ONCE)),
            B::PrometheusQueries => metric(wide(MOST_QUERIES)),
            B::PrometheusSeries => each(wide(MOST_SERIES)),
            B::Recording => metric(self.record_limit),
            B::ReviewBytes => each(wide(webhook::MOST_BYTES)),
            B::ReviewConnections => each(wide(webhook::MOST_CONNECTIONS)),
            B::TraceSpans => metric(wide(otlp::MOST_SPANS)),
            B::TracedPublications => metric(wide(traces::MOST_PUBLICATIONS)),
            B::XdsAdmissionWait => each(config.admission_wait.as_secs()),
            B::XdsBisect => each(config.bisect.offers.into()),
            B::XdsConnections => sized(
                counts.connections.saturating_sub(counts.connections_ended),
                wide(config.max_connections),
            ),
            B::XdsFirstRequest => each(config.first_request.as_secs()),
            B::XdsNameBytes => each(wide(config.limits.name_bytes)),
            B::XdsNames => each(wide(config.limits.names)),
            B::XdsRequestBytes => each(wide(config.max_request_bytes)),
            B::XdsResponseBytes => each(wide(config.max_response_bytes)),
            B::XdsSendTime => each(config.send_time.as_secs()),
            B::XdsStreams => sized(wide(self.server.proxies().len()), wide(config.max_streams)),
            B::XdsTypes => each(wide(config.limits.types)),
        }
    }

    /// How much of a bound is used. A size that is counted elsewhere is copied into the metrics.
    fn size(&self, bound: Bound, size: &Size) -> Option<u64> {
        let gauge = self.metrics.bound_size(bound);
        match size {
            Size::Each => None,
            Size::Metric => Some(count(&gauge)),
            Size::Of(size) => {
                gauge.set(i64::try_from(*size).unwrap_or(i64::MAX));
                Some(*size)
            }
        }
    }

    /// How often a bound was met. A count that is kept elsewhere is copied into the metrics.
    fn met(&self, bound: Bound, elsewhere: Option<u64>) -> u64 {
        let counter = self.metrics.bound(bound);
        if let Some(met) = elsewhere {
            counter.inner().store(met, Ordering::Relaxed);
        }
        counter.get()
    }

    fn circuits(&self) -> u64 {
        let view = self.view.load();
        let circuits = view.policies.values().map(|policy| policy.circuits.len());
        wide(circuits.sum())
    }

    /// The row of a queue of effects.
    fn effects(&self, kind: EffectKind, limit: usize) -> Row {
        let metrics = &self.metrics;
        let depth = metrics
            .effect_queue_depth
            .get_or_create(&KindLabel { kind });
        let result = EffectResult::Overflowed;
        let overflowed = metrics.effects.get_or_create(&EffectLabel { kind, result });
        Row {
            met: Some(overflowed.get()),
            ..sized(count(&depth), wide(limit))
        }
    }
}

/// A bound whose size is in the metrics.
fn metric(limit: u64) -> Row {
    Row {
        size: Size::Metric,
        limit,
        met: None,
    }
}

/// A bound whose size is counted elsewhere.
fn sized(size: u64, limit: u64) -> Row {
    Row {
        size: Size::Of(size),
        ..metric(limit)
    }
}

/// A bound without a size of the whole.
fn each(limit: u64) -> Row {
    Row {
        size: Size::Each,
        ..metric(limit)
    }
}

fn count(gauge: &Gauge) -> u64 {
    u64::try_from(gauge.get()).unwrap_or_default()
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
