//! The connection context: what the streams of one connection share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::config::Config;
use super::stream_link::LinkedClients;
use crate::peer::Peer;

/// What the streams of one connection share.
#[derive(Debug)]
pub(super) struct ConnectionContext {
    pub(super) peer: Peer,
    /// The server shuts down.
    pub(super) shutdown: CancellationToken,
    /// The connection is to end, for that or for its age.
    pub(super) retire: CancellationToken,
    /// A client has asked for something on it.
    pub(super) used: AtomicBool,
    /// How many more of its streams may be on the way to their first response.
    pub(super) door: Arc<Semaphore>,
    /// What its streams tell each other.
    pub(super) linked_clients: LinkedClients,
}

impl ConnectionContext {
    pub(super) fn new(peer: Peer, shutdown: CancellationToken, config: &Config) -> Self {
        let openings = config.opening_streams_per_connection.max(1);
        Self {
            peer,
            retire: shutdown.child_token(),
            shutdown,
            used: AtomicBool::new(false),
            door: Arc::new(Semaphore::new(openings)),
            linked_clients: LinkedClients::default(),
        }
    }
}
