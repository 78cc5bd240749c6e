//! The server's configuration.

use std::sync::Arc;
use std::time::Duration;

use super::hook::Hook;
#[cfg(feature = "tls")]
use super::tls::Tls;
use crate::bisect::Bisect;
use crate::protocol::Limits;

/// The server's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The bounds of one stream.
    pub limits: Limits,
    /// Of which types refused changes are bisected, on the client that refused them.
    pub bisect: Arc<Bisect>,
    /// How many connections there may be; further ones wait in the listener's queue.
    pub max_connections: usize,
    /// How many streams are served at once; further ones are told to come back.
    pub max_streams: usize,
    /// How many streams one connection may have. Envoy opens one for ADS, or one for each subscription without it.
    pub streams_per_connection: u32,
    /// How many streams are let in each second; those that come faster wait for their turn, first come first served.
    ///
    /// With what one core answers in a second, a fleet that reconnects at once does not starve those already served.
    pub stream_rate: u32,
    /// How many streams may come in at once before [`Config::stream_rate`] holds.
    pub stream_burst: u32,
    /// How many streams may be on the way to their first response; further ones wait for their turn.
    pub opening_streams: usize,
    /// How many of them may be of one connection, so that no client has all turns.
    pub opening_streams_per_connection: usize,
    /// How long a stream may be on the way to its first request while others wait; past this, the next one has its turn.
    pub opening_time: Duration,
    /// How long a stream waits for its turn; past this it is told to come back.
    pub admission_wait: Duration,
    /// How long a client may take to ask for something, on a connection and on a stream; past this either is ended.
    pub first_request: Duration,
    /// How long a client may take nothing of a response; past this its stream is reset.
    ///
    /// A client that stands still does not answer probes either, and loses its connection for that;
    /// this is for one that does, and has no window for what it asked for.
    /// A response that is large for a slow network must have gone within this, too.
    /// Of [`Server::routes`](super::Server::routes), whose transport is not this library's, it does not hold.
    pub send_time: Duration,
    /// How long after a response further changes are merged, to go together; zero to merge only what a slow client can't take.
    ///
    /// The first change after a pause goes at once, no change waits longer than this, and new subscriptions never wait.
    pub debounce: Duration,
    /// The largest request read, in bytes. A reconnecting delta client lists all it has, which can be large.
    pub max_request_bytes: usize,
    /// The largest response sent, in bytes, about. A larger one is parked as if the client had refused it, and logged.
    ///
    /// Responses are split long before this, at [`Limits::response_bytes`], except for single resources and what must be complete.
    pub max_response_bytes: usize,
    /// From how many bytes on a response is compressed by gzip, for clients that accept it; `usize::MAX` for never.
    ///
    /// It takes the CPU about as long as a network of a gigabit a second would take to carry what is saved.
    /// Requests may be compressed in any case.
    pub gzip_from: usize,
    /// After how much silence a connection is probed.
    pub keepalive_interval: Duration,
    /// How long the answer to a probe may take until the connection is given up.
    pub keepalive_timeout: Duration,
    /// After how long a connection is ended, give or take a tenth at random, so that clients spread over replicas anew
    /// and present their certificates again. Clients reconnect, and are sent what changed meanwhile.
    pub max_connection_age: Duration,
    /// How long a connection has to end once it has reached its age; past this it is cut off.
    pub max_connection_age_grace: Duration,
    /// How long clients have to hang up once shutdown begins.
    pub shutdown_grace: Duration,
    /// Encrypts connections, and demands client certificates where it says so; without it they are plain.
    #[cfg(feature = "tls")]
    pub tls: Option<Tls>,
    /// Sees each request and each response; nothing is spent on it where there is none.
    pub hook: Option<Arc<dyn Hook>>,
    /// What clients are told that answers them, in the responses' `control_plane`; Envoy shows it as `control_plane.identifier`.
    pub identifier: Option<Arc<str>>,
    /// How many names of one stream and type [`Proxies`](crate::proxies::Proxies) follows one by one.
    ///
    /// A stream that subscribes to more counts as `untracked` in [`Programmed`](crate::proxies::Programmed) for the others,
    /// and its `subscribed` says how many there are; an [`Observer`](crate::Observer) hears of every name.
    pub track_names: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            bisect: Arc::default(),
            max_connections: 20_000,
            max_streams: 20_000,
            streams_per_connection: 1_024,
            stream_rate: 2_000,
            stream_burst: 2_000,
            opening_streams: 256,
            opening_streams_per_connection: 32,
            opening_time: Duration::from_secs(1),
            admission_wait: Duration::from_secs(10),
            first_request: Duration::from_secs(15),
            send_time: Duration::from_mins(2),
            debounce: Duration::from_millis(10),
            max_request_bytes: 32 << 20,
            max_response_bytes: 64 << 20,
            gzip_from: 32 << 10,
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(10),
            max_connection_age: Duration::from_hours(1),
            max_connection_age_grace: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(5),
            #[cfg(feature = "tls")]
            tls: None,
            hook: None,
            identifier: None,
            track_names: 256,
        }
    }
}
