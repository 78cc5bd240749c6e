//! The connection context: what the streams of one connection share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
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
    /// When its streams end for its age; `None` where it is ended itself.
    ends: Option<Instant>,
    /// A client has asked for something on it.
    pub(super) used: AtomicBool,
    /// How many more of its streams may be on the way to their first response.
    pub(super) door: Arc<Semaphore>,
    /// What its streams tell each other, where no address tells whose others they are.
    pub(super) linked_clients: LinkedClients,
}

impl ConnectionContext {
    pub(super) fn new(peer: Peer, shutdown: CancellationToken, config: &Config) -> Self {
        let openings = config.opening_streams_per_connection.max(1);
        Self {
            peer,
            retire: shutdown.child_token(),
            ends: None,
            shutdown,
            used: AtomicBool::new(false),
            door: Arc::new(Semaphore::new(openings)),
            linked_clients: LinkedClients::default(),
        }
    }

    /// The same, of which the streams end at this moment.
    pub(super) fn ending(self, at: Instant) -> Self {
        Self {
            ends: Some(at),
            ..self
        }
    }

    /// Whether its streams have reached its age.
    pub(super) fn has_ended(&self) -> bool {
        self.ends.is_some_and(|ends| ends <= Instant::now())
    }

    /// Waits until its streams are to end.
    pub(super) fn retired(&self) -> BoxFuture<'static, ()> {
        let retired = self.retire.clone().cancelled_owned();
        match self.ends {
            None => Box::pin(retired),
            Some(ends) => Box::pin(async move {
                // Whether for that or for its age is all the same.
                let _ = timeout_at(ends, retired).await;
            }),
        }
    }
}
