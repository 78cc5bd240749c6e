//! The server: the tonic adapter that drives the protocol cores over gRPC.
//!
//! This is the only module with IO in it.

mod admission;
mod assign;
#[cfg(feature = "tls")]
mod certificate;
mod config;
mod connection;
mod connection_context;
mod connections;
mod counts;
mod frames;
mod gzip;
#[cfg(feature = "tls")]
mod handshake;
mod health;
mod hook;
mod incoming;
mod messages;
mod mount;
mod on_demand;
mod pace;
mod poll_on_wake;
mod rate;
mod request_decoder;
mod routes;
mod service;
mod stall;
mod status;
mod stream;
mod stream_link;
#[cfg(feature = "tls")]
mod tls;
mod turns;
mod wake_flags;
#[cfg(feature = "waves")]
mod waves;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use assign::{Assign, Assignment, Opening, Openings};
pub use config::Config;
pub use counts::Counts;
pub use hook::{Hook, Request};
pub use on_demand::{Maker, OnDemand};
pub use routes::SERVICE_NAMES;
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsFailure, TlsMaterial};
pub use tonic::Status;
#[cfg(feature = "waves")]
pub use waves::{Conductor, Ended, NotConducted, Waves};

use crate::observer::Observer;
use crate::proxies::Proxies;
use crate::store::Store;
use admission::Admission;
use connection::converse;
use counts::Counters;
use health::Health;
use incoming::accept;
use on_demand::AllWanted;
use stream_link::LinkedClients;

/// An xDS server: SotW and delta, over ADS and over each type's own service, on one port.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

/// What all streams of a server share.
struct Shared {
    stores: Arc<dyn Assign>,
    config: Config,
    observer: Arc<dyn Observer>,
    proxies: Proxies,
    admission: Admission,
    counters: Counters,
    on_demand: AllWanted,
    /// What the streams of each client tell each other.
    linked_clients: LinkedClients,
}

/// Why serving ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeFailure {
    /// Clients did not hang up within the configured time, and were cut off.
    #[error(
        "{streams} xDS streams were still open {grace:?} after shutdown began (`shutdown_grace`) and were cut off"
    )]
    CutOff {
        /// How many.
        streams: usize,
        /// How long they had.
        grace: std::time::Duration,
    },
}

impl Server {
    /// A server of what is in `store`.
    pub fn new(store: Arc<Store>, config: Config) -> Self {
        Self::observed(store, config, Arc::new(()))
    }

    /// A server of what is in `store`, which tells `observer` what becomes of it.
    pub fn observed(store: Arc<Store>, config: Config, observer: Arc<dyn Observer>) -> Self {
        Self::assigned(Arc::new(store), config, observer)
    }

    /// A server that gives each client what `stores` assigns to it, and tells `observer` what becomes of it.
    pub fn assigned(stores: Arc<dyn Assign>, config: Config, observer: Arc<dyn Observer>) -> Self {
        let shared = Shared {
            admission: Admission::new(&config),
            counters: Counters::default(),
            on_demand: AllWanted::default(),
            stores,
            config,
            observer,
            proxies: Proxies::default(),
            linked_clients: LinkedClients::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Every connected client.
    pub fn proxies(&self) -> Proxies {
        self.shared.proxies.clone()
    }

    /// What it did so far, and how often each of its bounds was met.
    pub fn counts(&self) -> Counts {
        self.shared.counters.read()
    }

    /// Serves until `shutdown` is cancelled; then ends all streams and waits for the clients to hang up.
    ///
    /// gRPC's health checks are answered too: all services serve until then.
    /// Whoever has a router or a transport of his own takes [`Server::routes`].
    ///
    /// # Errors
    ///
    /// [`ServeFailure::CutOff`] if clients don't hang up in time.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), ServeFailure> {
        let Shared {
            config, counters, ..
        } = &*self.shared;
        let places = Arc::new(Semaphore::new(config.max_connections));
        let health = Health::serving().await;
        let mut connections = JoinSet::new();
        while let Some((stream, place)) = shutdown
            .run_until_cancelled(accept(&listener, &places, counters))
            .await
        {
            let shared = Arc::clone(&self.shared);
            let (shutdown, health) = (shutdown.clone(), health.clone());
            connections.spawn(async move {
                let _place = Place {
                    shared: Arc::clone(&shared),
                    _permit: place,
                };
                converse(shared, stream, shutdown, health).await;
            });
            while let Some(ended) = connections.try_join_next() {
                report(ended);
            }
        }
        drop(listener);
        health.end().await;
        let hang_up = async {
            while let Some(ended) = connections.join_next().await {
                report(ended);
            }
        };
        let grace = config.shutdown_grace;
        let streams = || self.shared.proxies.len();
        timeout(grace, hang_up)
            .await
            .map_err(|_| ServeFailure::CutOff {
                streams: streams(),
                grace,
            })
    }
}

/// A connection's place, free again when its conversation has ended, however that was.
struct Place {
    shared: Arc<Shared>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.counters.connections_ended.inc();
    }
}

/// A connection's task ends well unless something panicked in it, which is a defect to be told.
fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "an xDS connection failed; please report this");
    }
}

#[cfg(test)]
mod tests;
