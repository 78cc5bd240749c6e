//! The bounds: everything that outside input can make grow, as one closed set, so that the code,
//! the metrics and `GET /v1/bounds` name the same bounds and none is left out.

use std::fmt;

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::runtime::metrics::{BoundLabel, Families, Metrics};

macro_rules! bounds {
    ($($bound:ident: $name:literal, $unit:literal, $answer:literal;)+) => {
        /// Something that outside input can make grow.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the units say what is counted")]
        pub enum Bound { $($bound),+ }

        impl Bound {
            /// All of them, by name.
            pub const ALL: &[Self] = &[$(Self::$bound),+];

            /// Its name in metrics and answers.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$bound => $name),+ }
            }

            /// What is counted.
            pub const fn unit(self) -> &'static str {
                match self { $(Self::$bound => $unit),+ }
            }

            /// What happens at the limit.
            pub const fn answer(self) -> &'static str {
                match self { $(Self::$bound => $answer),+ }
            }
        }
    };
}

bounds! {
    AlertOrders: "alert_orders", "orders by alerts in force", "a new one is answered 503, and Alertmanager sends it again";
    Alerts: "alerts", "alerts", "a new one is not sent, and logged";
    AuditLines: "audit_lines", "lines waiting", "the line is dropped; a line with action Lost says how many";
    Circuits: "circuits", "circuits of all policies", "a new one is refused and logged; its object is taken with its next report once there is room";
    CircuitsOfNamespace: "circuits_of_namespace", "circuits of one namespace's policies", "a new one is refused and logged, and taken with its object's next report once there is room";
    Denials: "denials", "denied writes waiting to be told", "a new one is denied and not counted as evidence";
    DirectoryDocuments: "directory_documents", "documents", "a file with more is refused, and named";
    DirectoryFiles: "directory_files", "files", "new ones are passed over, and named";
    EffectsAdmission: "effects_admission", "objects waiting", "a new one is dropped, counted and logged";
    EffectsGateNote: "effects_gate_note", "objects waiting", "a new one is dropped, counted and logged";
    EffectsKubeEvent: "effects_kube_event", "objects waiting", "a new one is dropped, counted and logged";
    EffectsRecord: "effects_record", "objects waiting", "a new one is dropped, counted and logged";
    EffectsRemoveOverride: "effects_remove_override", "objects waiting", "a new one is dropped, counted and logged";
    EffectsRollback: "effects_rollback", "objects waiting", "a new one is dropped, counted and logged";
    EffectsStatus: "effects_status", "objects waiting", "a new one is dropped, counted and logged";
    EventBytes: "event_bytes", "bytes of events", "watches and directory wait";
    Events: "events", "events", "watches and directory wait";
    GateCallers: "gate_callers", "callers of the gate", "all are forgotten, and what each is answered is told once more";
    GateNotices: "gate_notices", "answers waiting to be told", "a new one is not told, and counted";
    GateWaiters: "gate_waiters", "callers that wait", "a new one is answered at once, or told to come back";
    HistoryCircuits: "history_circuits", "circuits with a history", "a new one has none, unless it is in trouble: then one at rest loses its own";
    HistoryTrips: "history_trips", "trips with a story", "the oldest is forgotten; the audit log still has it";
    HistoryTurns: "history_turns", "turns waiting for the history", "a new one is left out of it, and counted";
    HttpCallers: "http_callers", "callers told apart by their address", "new ones share one limit of requests a second";
    HttpConnections: "http_connections", "connections", "idle ones end; metrics and health have a share of their own, other requests wait 5 s, then get 503";
    LabelBytes: "label_bytes", "bytes of labels of an object", "labels behind, in the order of keys, are seen by no selector, and audited";
    LogLines: "log_lines", "lines of one place in 10 s", "left out; told every 10 s how many";
    Memory: "memory", "bytes of its cgroup", "new objects and circuits are refused, and taken with their next report once there is room";
    MetricPolicies: "metric_policies", "policies in metrics", "those of further ones are counted together, under no name";
    Objects: "objects", "objects of all contracted kinds", "a new one is refused, logged and audited, and taken with its next report once there is room";
    ObjectsOfNamespace: "objects_of_namespace", "objects of a kind in a namespace", "a new one is refused, logged and audited, and taken with its next report once there is room";
    PrometheusAnswerBytes: "prometheus_answer_bytes", "bytes of an answer", "it says nothing of any object, and its key is Unknown";
    PrometheusAtOnce: "prometheus_at_once", "queries at once", "others wait for their turn within their time";
    PrometheusQueries: "prometheus_queries", "queries of all contracts", "those of further contracts do not run, and their keys are Unknown";
    PrometheusSeries: "prometheus_series", "series of an answer", "it says nothing of any object, and its key is Unknown";
    Recording: "recording", "bytes", "the recording ends with a line that says so";
    ReviewBytes: "review_bytes", "bytes of reviews being read", "a new one is refused, and the API server lets the write pass";
    ReviewConnections: "review_connections", "connections to the webhook", "a new one is closed, and the API server lets the write pass";
    TraceSpans: "trace_spans", "spans waiting for the collector", "a new one is dropped, and counted";
    TracedPublications: "traced_publications", "publications whose ACKs are traced", "the oldest one's further ACKs are not";
    XdsAdmissionWait: "xds_admission_wait", "seconds of a stream's wait", "the stream is told to come back";
    XdsBisect: "xds_bisect", "offers of a search", "what is still open stays parked together on that proxy, and is logged";
    XdsConnections: "xds_connections", "connections", "new ones wait in the backlog";
    XdsFirstRequest: "xds_first_request", "seconds without a request", "the connection or stream ends";
    XdsNameBytes: "xds_name_bytes", "bytes of a name", "the stream ends with that limit";
    XdsNames: "xds_names", "names of a stream", "the stream ends with that limit";
    XdsRequestBytes: "xds_request_bytes", "bytes of a request", "the stream ends with that limit";
    XdsResponseBytes: "xds_response_bytes", "bytes of a response", "parked as if the proxy had refused it, and logged";
    XdsSendTime: "xds_send_time", "seconds in which a client takes nothing", "the stream is reset, and logged";
    XdsStreams: "xds_streams", "streams", "new ones are told to come back";
    XdsTypes: "xds_types", "types of a stream", "the stream ends with that limit";
}

impl EncodeLabelValue for Bound {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        self.name().encode(encoder)
    }
}

impl Metrics {
    /// The counter of a bound, for code that must not take a lock when it counts.
    #[must_use]
    pub fn bound(&self, bound: Bound) -> Counter {
        self.bounds_met.get_or_create(&BoundLabel { bound }).clone()
    }

    /// The gauge of how much of a bound is used.
    #[must_use]
    pub fn bound_size(&self, bound: Bound) -> Gauge {
        self.bounds_size
            .get_or_create(&BoundLabel { bound })
            .clone()
    }

    /// Sets the limit of a bound.
    pub fn bound_limit(&self, bound: Bound, limit: u64) {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.bounds_limit
            .get_or_create(&BoundLabel { bound })
            .set(limit);
    }

    /// Counts a met bound.
    pub fn bound_met(&self, bound: Bound) {
        self.bounds_met.get_or_create(&BoundLabel { bound }).inc();
    }
}

impl Families {
    pub(super) fn register_bounds(&self, registry: &mut Registry) {
        registry.register(
            "bounds_met",
            "How often a bound was met",
            self.bounds_met.clone(),
        );
        registry.register(
            "bounds_limit",
            "How much of a bound there may be",
            self.bounds_limit.clone(),
        );
        registry.register(
            "bounds_size",
            "How much of a bound is used",
            self.bounds_size.clone(),
        );
        registry.register(
            "memory_pressure",
            "How near memory is to its limit: 0 not, 1 near it, 2 so short that nothing new is taken",
            self.memory_pressure.clone(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_listed_by_name_and_no_name_stands_for_two() {
        let names: Vec<_> = Bound::ALL.iter().map(|bound| bound.name()).collect();
        assert!(names.is_sorted_by(|one, next| one < next), "{names:?}");
    }
}
