//! The bounds of the running program, gathered from where each is kept.

use std::sync::atomic::Ordering;

use fusegate_xds::{Config, Server};
use tokio::sync::mpsc::WeakSender;

use crate::app::logging::limit;
use crate::app::publish;
use crate::effects::{alert, audit, note, removal, revision, rollback, status};
use crate::runtime::metrics::{
    AlertLabel, BoundLabel, EffectKind, EffectLabel, EffectResult, KindLabel, Metrics,
};
use crate::serve::bounds::Bound;
use crate::serve::server;
use crate::source::dir;
use crate::source::event::Event;

/// Where the sizes are.
pub(super) struct Gauges {
    pub(super) metrics: Metrics,
    pub(super) server: Server,
    pub(super) max_streams: usize,
    pub(super) events: WeakSender<Event>,
}

impl Gauges {
    /// All bounds as they stand. What is counted elsewhere is entered among the bounds that were met.
    pub(super) fn read(&self) -> Vec<Bound> {
        let mut bounds = self.effects();
        bounds.extend(self.queues());
        bounds.extend(self.xds());
        bounds.sort_by_key(|bound| bound.name);
        bounds
    }

    fn queues(&self) -> [Bound; 6] {
        let waiting = self.events.upgrade();
        let waiting = waiting.map(|sender| sender.max_capacity() - sender.capacity());
        let alerts = ["firing", "resolved"].map(|state| {
            let gauge = self.metrics.alerts.get_or_create(&AlertLabel { state });
            gauge.get()
        });
        let places = usize::try_from(self.metrics.http_connections.get()).ok();
        let dropped = self.metrics.audit_lines_dropped.get();
        self.enter("audit_lines", dropped);
        self.enter("log_lines", limit::left_out());
        let most_lines = usize::try_from(limit::MOST_LINES).unwrap_or(usize::MAX);
        let of = |name, unit, size, limit, answer| self.bound(name, unit, size, limit, answer);
        [
            of(
                "events",
                "events",
                waiting,
                super::run::QUEUE,
                "watches and directory wait",
            ),
            of(
                "alerts",
                "alerts",
                sum(alerts),
                alert::MOST_ALERTS,
                "a new one is not sent, and logged",
            ),
            of(
                "audit_lines",
                "lines waiting",
                None,
                audit::MOST_LINES,
                "the line is dropped; a line with action Lost says how many",
            ),
            of(
                "log_lines",
                "lines of one place in 10 s",
                None,
                most_lines,
                "left out; told every 10 s how many",
            ),
            of(
                "http_connections",
                "connections",
                places,
                server::MAX_CONNECTIONS,
                "new ones wait in the backlog",
            ),
            of(
                "directory_files",
                "files",
                None,
                dir::MOST_FILES,
                "new ones are passed over, and named",
            ),
        ]
    }

    fn effects(&self) -> Vec<Bound> {
        let kinds = [
            ("effects_status", EffectKind::Status, status::LIMITS.bound),
            ("effects_note", EffectKind::Note, note::LIMITS.bound),
            ("effects_record", EffectKind::Record, revision::LIMITS.bound),
            (
                "effects_rollback",
                EffectKind::Rollback,
                rollback::LIMITS.bound,
            ),
            (
                "effects_remove_override",
                EffectKind::RemoveOverride,
                removal::LIMITS.bound,
            ),
        ];
        let bound = |(name, kind, limit)| {
            let depth = self
                .metrics
                .effect_queue_depth
                .get_or_create(&KindLabel { kind })
                .get();
            let result = EffectResult::Overflowed;
            let refused = EffectLabel { kind, result };
            let met = self.metrics.effects.get_or_create(&refused).get();
            self.enter(name, met);
            let answer = "a new one is dropped, counted and logged";
            self.bound(
                name,
                "objects waiting",
                usize::try_from(depth).ok(),
                limit,
                answer,
            )
        };
        kinds.map(bound).into()
    }

    fn xds(&self) -> [Bound; 6] {
        super::xds::meter(&self.metrics, &self.server);
        let Config {
            limits,
            max_connections,
            max_request_bytes,
            ..
        } = publish::config();
        let streams = Some(self.server.proxies().len());
        let (ended, each) = ("the stream ends with that limit", None);
        let of = |name, unit, size, limit, answer| self.bound(name, unit, size, limit, answer);
        [
            of(
                "xds_connections",
                "connections",
                None,
                max_connections,
                "new ones wait in the backlog",
            ),
            of(
                "xds_streams",
                "streams",
                streams,
                self.max_streams,
                "new ones are told to come back",
            ),
            of("xds_names", "names of a stream", each, limits.names, ended),
            of("xds_types", "types of a stream", each, limits.types, ended),
            of(
                "xds_name_bytes",
                "bytes of a name",
                each,
                limits.name_bytes,
                ended,
            ),
            of(
                "xds_request_bytes",
                "bytes of a request",
                each,
                max_request_bytes,
                ended,
            ),
        ]
    }

    /// Enters a count that is kept elsewhere.
    fn enter(&self, bound: &'static str, met: u64) {
        let counter = self.metrics.bound(bound);
        counter.inner().store(met, Ordering::Relaxed);
    }

    fn bound(
        &self,
        name: &'static str,
        unit: &'static str,
        size: Option<usize>,
        limit: usize,
        answer: &'static str,
    ) -> Bound {
        let label = BoundLabel { bound: name };
        Bound {
            name,
            unit,
            size: size.map(wide),
            limit: wide(limit),
            met: self.metrics.bounds_met.get_or_create(&label).get(),
            answer,
        }
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn sum(counts: [i64; 2]) -> Option<usize> {
    usize::try_from(counts.iter().sum::<i64>()).ok()
}
