//! The counts: what the server did, and how often each of its bounds was met.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident)+) => {
        /// What the server did since it was made, and how often each of its bounds was met.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts {
            $($(#[$doc])* pub $name: u64,)+
        }

        /// The same while it is being counted.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: Counter,)+
        }

        impl Counters {
            /// As of now.
            pub(super) fn read(&self) -> Counts {
                Counts { $($name: self.$name.read(),)+ }
            }
        }
    };
}

counts! {
    /// Connections accepted.
    connections
    /// Times when a new connection had to wait for another to end (`max_connections`).
    connections_full
    /// Connections that failed the TLS handshake, or took too long over it.
    connections_failed
    /// Connections that have ended, for whatever reason.
    connections_ended
    /// Connections ended because nothing was asked for in time (`first_request`).
    connections_silent
    /// Connections ended because of their age (`max_connection_age`).
    connections_aged
    /// Streams admitted.
    streams
    /// Streams turned away because all places were taken (`max_streams`).
    streams_full
    /// Streams that had to wait for their turn (`stream_rate`, `opening_streams`, `opening_streams_per_connection`).
    streams_delayed
    /// Streams turned away because their turn would not have come in time (`admission_wait`).
    streams_overdue
    /// Streams whose turn went to others because they asked for nothing in time (`opening_time`).
    turns_lapsed
    /// Streams ended because they did not say who they are in time (`first_request`).
    streams_silent
    /// Streams reset because their clients took nothing for too long (`send_time`).
    streams_stalled
    /// Streams ended because they asked for too many names (`limits.names`).
    names_exceeded
    /// Streams ended because they asked for too many types (`limits.types`).
    types_exceeded
    /// Streams ended because a name was too long (`limits.name_bytes`).
    name_bytes_exceeded
    /// Streams ended because a request was too large (`max_request_bytes`).
    requests_too_large
    /// Responses not sent because they were too large (`max_response_bytes`).
    responses_too_large
    /// Streams ended because nothing is assigned to their node.
    nodes_unknown
    /// Subscriptions to names that the client may not have.
    names_denied
    /// Names for which nothing was made because too many were wanted (`OnDemand::names`).
    on_demand_full
    /// Times when a stream waited so as to merge changes (`debounce`).
    debounced
    /// Responses sent.
    responses
    /// Responses that clients took.
    acks
    /// Responses that clients refused.
    nacks
    /// Resources and parts that clients were found to refuse (`bisect`).
    isolated
    /// Searches for what a client refuses that led nowhere, or met their bounds (`bisect.offers`, `bisect.time`).
    unresolved
}

/// One of them.
#[derive(Debug, Default)]
pub(super) struct Counter([Lane; LANES]);

/// A part of a counter, on cache lines of its own: threads that count at once don't wait for each other's.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Lane(AtomicU64);

/// On more threads than that, some share theirs.
const LANES: usize = 8;

thread_local! {
    /// The lane of this thread.
    static LANE: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % LANES
    };
}

impl Counter {
    pub(super) fn inc(&self) {
        if let Some(lane) = self.0.get(LANE.with(|lane| *lane)) {
            lane.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn read(&self) -> u64 {
        let lanes = self.0.iter();
        lanes.map(|lane| lane.0.load(Ordering::Relaxed)).sum()
    }
}
