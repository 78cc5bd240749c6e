//! The recording's metrics.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The metrics of a recording.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// Whether a recording is active and holds every turn since the start.
    pub whole: Gauge,
    /// Turns recorded.
    pub turns: Counter,
    /// Turns dropped because the writer could not keep up.
    pub dropped: Counter,
    /// Failed attempts to write.
    pub write_errors: Counter,
}

impl Recording {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "recording",
            "Whether a recording is active and holds every turn since the start",
            self.whole.clone(),
        );
        registry.register("recorded_turns", "Turns recorded", self.turns.clone());
        registry.register(
            "recorded_turns_dropped",
            "Turns missing from the recording because the writer could not keep up",
            self.dropped.clone(),
        );
        registry.register(
            "recording_write_errors",
            "Failed attempts to write the recording",
            self.write_errors.clone(),
        );
    }
}
