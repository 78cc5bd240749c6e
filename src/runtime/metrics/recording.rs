//! The recording's metrics.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// What is told of a recording.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// Whether there is a recording, every turn since the start is in it, and it goes on.
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
            "Whether every turn since the start is in the recording, and it goes on",
            self.whole.clone(),
        );
        registry.register("recorded_turns", "Turns recorded", self.turns.clone());
        registry.register(
            "recorded_turns_dropped",
            "Turns that are missing in the recording because the writer could not keep up",
            self.dropped.clone(),
        );
        registry.register(
            "recording_write_errors",
            "Failed attempts to write the recording",
            self.write_errors.clone(),
        );
    }
}
