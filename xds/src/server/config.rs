//! The server's configuration.

use std::time::Duration;

use super::tls::Tls;
use crate::protocol::Limits;

/// The server's configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// The bounds of one stream.
    pub limits: Limits,
    /// How many streams are served at once; further ones are told to come back.
    pub max_streams: usize,
    /// How many streams one connection may have. Envoy opens one for ADS, or one for each subscription without it.
    pub streams_per_connection: u32,
    /// The largest request read, in bytes. A reconnecting delta client lists all it has, which can be large.
    pub max_request_bytes: usize,
    /// After how much silence a connection is probed.
    pub keepalive_interval: Duration,
    /// How long the answer to a probe may take until the connection is given up.
    pub keepalive_timeout: Duration,
    /// How long clients have to hang up once shutdown begins.
    pub shutdown_grace: Duration,
    /// Encrypts connections, and demands client certificates where it says so; without it they are plain.
    pub tls: Option<Tls>,
    /// How many names of one stream and type [`Proxies`](crate::proxies::Proxies) follows one by one.
    pub track_names: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            max_streams: 20_000,
            streams_per_connection: 1_024,
            max_request_bytes: 32 << 20,
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(10),
            shutdown_grace: Duration::from_secs(5),
            tls: None,
            track_names: 256,
        }
    }
}
