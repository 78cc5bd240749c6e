//! The metrics of traces.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// The metrics of traces.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    /// Spans, by what the collector made of them.
    pub spans: Family<SpanLabel, Counter>,
}

/// By what the collector made of a span.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SpanLabel {
    /// What.
    pub result: SpanResult,
}

/// What a collector made of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum SpanResult {
    /// It took it.
    Sent,
    /// It refused it.
    Refused,
}

impl Traces {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "trace_spans",
            "Spans of traces, by what the collector made of them",
            self.spans.clone(),
        );
    }
}
