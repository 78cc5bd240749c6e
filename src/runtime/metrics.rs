//! The metrics: everything that fusegate exports to Prometheus, registered once.
//!
//! The values of a label are a closed set named in the code, never object names, which are unbounded.
//! Names follow the `OpenMetrics` conventions: counters get `_total`.

mod admission;
mod allocator;
mod bound;
mod circuits;
mod feeds;
mod installation;
mod labels;
mod process;
mod queries;
mod recording;
mod tls;
mod traces;
mod xds;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelValue;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::runtime::metrics::allocator::Allocator;
use crate::runtime::metrics::process::Process;
use crate::runtime::metrics::recording::Recording;
pub use admission::{Admission, ReviewLabel};
pub use bound::Bound;
pub use circuits::{Circuits, Row};
pub use feeds::FeedKind;
pub use labels::{
    AlertLabel, BoundLabel, CodeLabel, EffectLabel, FeedLabel, GateCallLabel, GateLabel, KindLabel,
    PostLabel, RefusedLabel, ShardLabel, StateLabel, VerdictLabel,
};
pub use queries::{Queries, QueryLabel, ResultLabel};
pub use tls::{Reload, ReloadLabel, Tls};
pub use traces::{SpanLabel, SpanResult, Traces};
pub use xds::{EventLabel, Xds};

/// All metrics; clones share them.
#[derive(Clone)]
pub struct Metrics(Arc<Registered>);

/// The metrics and the registry that lists them.
pub struct Registered {
    registry: Registry,
    /// Every family.
    pub families: Families,
}

/// Every family, by what it counts.
#[derive(Clone, Debug)]
pub struct Families {
    /// Events that reached the engine.
    pub events: Family<FeedLabel, Counter>,
    /// Feeds that are not confirmed live.
    pub feeds_unconfirmed: Family<FeedLabel, Gauge>,
    /// Seconds since a feed was last known to be current; of objects, that of the feed which lags most.
    pub feed_age_seconds: Family<FeedLabel, Gauge>,
    /// Objects held.
    pub objects: Gauge,
    /// Operations on condition maps, by verdict.
    pub map_operations: Family<VerdictLabel, Counter>,
    /// Problems found in conditions, policies and contracts, by code.
    pub problems: Family<CodeLabel, Counter>,
    /// Bounds that were met, by what they bound.
    pub bounds_met: Family<BoundLabel, Counter>,
    /// How much of a bound is used.
    pub bounds_size: Family<BoundLabel, Gauge>,
    /// Where the bounds are.
    pub bounds_limit: Family<BoundLabel, Gauge>,
    /// Circuits, by policy and state.
    pub circuits: Circuits,
    /// Changes of state, by the state entered.
    pub transitions: Family<StateLabel, Counter>,
    /// Layers published.
    pub layers: Gauge,
    /// Snapshots published.
    pub publishes: Counter,
    /// Seconds from the arrival of an event to the publication of what it changed.
    pub reaction_seconds: Histogram,
    /// How near memory is to its limit: 0 not, 1 near, 2 short.
    pub memory_pressure: Gauge,
    /// How many shards there are, by the number of this replica's.
    pub shards: Family<ShardLabel, Gauge>,
    /// Whether this replica holds the lease.
    pub leading: Gauge,
    /// Audit lines written.
    pub audit_lines: Counter,
    /// Audit lines dropped because the writer could not keep up.
    pub audit_lines_dropped: Counter,
    /// Failed attempts to write the audit log.
    pub audit_write_errors: Counter,
    /// Effects, by kind and how they ended.
    pub effects: Family<EffectLabel, Counter>,
    /// Effects that wait to be carried out.
    pub effect_queue_depth: Family<KindLabel, Gauge>,
    /// Alerts held, by whether they fire.
    pub alerts: Family<AlertLabel, Gauge>,
    /// Requests to Alertmanagers, by how they ended.
    pub alert_posts: Family<PostLabel, Counter>,
    /// Gate answers, by form and state.
    pub gate_answers: Family<GateLabel, Counter>,
    /// Calls of release tools.
    pub gate_calls: Family<GateCallLabel, Counter>,
    /// HTTP connections open.
    pub http_connections: Gauge,
    /// Requests that were not let through, by why.
    pub http_refused: Family<RefusedLabel, Counter>,
    /// The certificates of the HTTP port.
    pub http_tls: Tls,
    /// Contracts' queries.
    pub queries: Queries,
    /// The webhook.
    pub admission: Admission,
    /// The recording.
    pub recording: Recording,
    /// The traces.
    pub traces: Traces,
    /// The xDS port.
    pub xds: Xds,
}

/// A kind of effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(missing_docs, reason = "the names are those of the effects")]
pub enum EffectKind {
    Audit,
    Status,
    KubeEvent,
    GateNote,
    Alert,
    Record,
    Rollback,
    RemoveOverride,
    Admission,
}

/// How an effect, or an attempt at it, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum EffectResult {
    /// Carried out.
    Done,
    /// Already so: nothing had to be written.
    Unchanged,
    /// Failed for now, and tried again.
    Retried,
    /// Given up.
    Failed,
    /// Its object is gone.
    Gone,
    /// Not carried out because this replica doesn't hold the lease.
    NotLeading,
    /// Refused because too many waited.
    Overflowed,
}

/// How a request to an Alertmanager ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Post {
    /// Accepted.
    Accepted,
    /// Refused: Alertmanager rejects some or all of its alerts.
    Refused,
    /// Not answered, or answered with a server error.
    Failed,
}

impl Metrics {
    /// New metrics, all zero, with fusegate's version as `fusegate_build_info`.
    #[must_use]
    pub fn new() -> Self {
        let families = Families::new();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process::find()));
        registry.register_collector(Box::new(Allocator));
        families.register(registry.sub_registry_with_prefix("fusegate"));
        Self(Arc::new(Registered { registry, families }))
    }

    /// The text that Prometheus scrapes, in the `OpenMetrics` format
    /// (`application/openmetrics-text; version=1.0.0; charset=utf-8`).
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.0.registry).is_err() {
            // Writing to a string fails only if a metric's own encoding does.
            text.clear();
            text.push_str("# EOF\n");
        }
        text
    }

    /// Counts how an effect ended.
    pub fn effect(&self, kind: EffectKind, result: EffectResult) {
        self.effects
            .get_or_create(&EffectLabel { kind, result })
            .inc();
    }

    /// Sets the number of waiting effects of a kind.
    pub fn queue_depth(&self, kind: EffectKind, depth: usize) {
        let depth = i64::try_from(depth).unwrap_or(i64::MAX);
        self.effect_queue_depth
            .get_or_create(&KindLabel { kind })
            .set(depth);
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Metrics {
    type Target = Families;

    fn deref(&self) -> &Families {
        &self.0.families
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Metrics").finish_non_exhaustive()
    }
}

/// Seconds. The target is 5 ms from write to 503; less than one of them is spent in this process.
const REACTION_BUCKETS: [f64; 10] = [
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0,
];

impl Families {
    fn new() -> Self {
        Self {
            events: Family::default(),
            feeds_unconfirmed: Family::default(),
            feed_age_seconds: Family::default(),
            objects: Gauge::default(),
            map_operations: Family::default(),
            problems: Family::default(),
            bounds_met: Family::default(),
            bounds_size: Family::default(),
            bounds_limit: Family::default(),
            circuits: Circuits::default(),
            transitions: Family::default(),
            layers: Gauge::default(),
            publishes: Counter::default(),
            reaction_seconds: Histogram::new(REACTION_BUCKETS),
            memory_pressure: Gauge::default(),
            shards: Family::default(),
            leading: Gauge::default(),
            audit_lines: Counter::default(),
            audit_lines_dropped: Counter::default(),
            audit_write_errors: Counter::default(),
            effects: Family::default(),
            effect_queue_depth: Family::default(),
            alerts: Family::default(),
            alert_posts: Family::default(),
            gate_answers: Family::default(),
            gate_calls: Family::default(),
            http_connections: Gauge::default(),
            http_refused: Family::default(),
            queries: Queries::default(),
            admission: Admission::default(),
            recording: Recording::default(),
            traces: Traces::default(),
            http_tls: Tls::default(),
            xds: Xds::default(),
        }
    }

    fn register(&self, registry: &mut Registry) {
        self.register_engine(registry);
        self.register_mesh(registry);
        self.register_effects(registry);
        self.register_serve(registry);
        self.queries.register(registry);
        self.admission.register(registry);
        self.recording.register(registry);
        self.traces.register(registry);
        self.http_tls
            .register(registry, tls::OF_HTTP, "the HTTP port");
        self.xds.register(registry);
        self.register_installation(registry);
    }

    fn register_engine(&self, registry: &mut Registry) {
        registry.register(
            "events",
            "Events that reached the engine",
            self.events.clone(),
        );
        self.register_feeds(registry);
        registry.register("objects", "Objects held", self.objects.clone());
        registry.register(
            "map_operations",
            "Operations on condition maps, by verdict",
            self.map_operations.clone(),
        );
        registry.register(
            "problems",
            "Problems found in conditions, policies and contracts",
            self.problems.clone(),
        );
        self.register_bounds(registry);
        self.circuits.register(registry);
        registry.register(
            "transitions",
            "Changes of state, by the state entered",
            self.transitions.clone(),
        );
    }

    fn register_mesh(&self, registry: &mut Registry) {
        registry.register("layers", "Layers published", self.layers.clone());
        registry.register("publishes", "Snapshots published", self.publishes.clone());
        registry.register(
            "reaction_seconds",
            "Seconds from the arrival of an event to the publication of what it changed",
            self.reaction_seconds.clone(),
        );
    }

    fn register_serve(&self, registry: &mut Registry) {
        registry.register(
            "gate_answers",
            "Gate answers, by form and state",
            self.gate_answers.clone(),
        );
        registry.register(
            "gate_calls",
            "Calls of release tools, by policy and answer",
            self.gate_calls.clone(),
        );
        registry.register(
            "http_connections",
            "HTTP connections open",
            self.http_connections.clone(),
        );
        registry.register(
            "http_refused",
            "HTTP requests that were not let through, by reason",
            self.http_refused.clone(),
        );
    }

    fn register_effects(&self, registry: &mut Registry) {
        registry.register(
            "leading",
            "Whether this replica holds the lease",
            self.leading.clone(),
        );
        registry.register(
            "audit_lines",
            "Audit lines written",
            self.audit_lines.clone(),
        );
        registry.register(
            "audit_lines_dropped",
            "Audit lines dropped because the writer could not keep up",
            self.audit_lines_dropped.clone(),
        );
        registry.register(
            "audit_write_errors",
            "Failed attempts to write the audit log",
            self.audit_write_errors.clone(),
        );
        registry.register(
            "effects",
            "Effects, by kind and result",
            self.effects.clone(),
        );
        registry.register(
            "effect_queue_depth",
            "Effects that wait to be carried out",
            self.effect_queue_depth.clone(),
        );
        registry.register("alerts", "Alerts held, by state", self.alerts.clone());
        registry.register(
            "alert_posts",
            "Requests to Alertmanagers, by result",
            self.alert_posts.clone(),
        );
    }
}

#[cfg(test)]
mod tests;
