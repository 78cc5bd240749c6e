//! The server: the tonic adapter that drives the protocol cores over gRPC.
//!
//! This is the only module with IO in it.

mod admission;
mod assign;
mod codec;
mod config;
mod core;
mod incoming;
mod routes;
mod service;
mod stream;
mod tls;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport;

pub use assign::Assign;
pub use config::Config;
pub use tls::{Tls, TlsFailure, TlsMaterial};

use crate::observer::Observer;
use crate::proxies::Proxies;
use crate::store::Store;
use admission::Admission;
use incoming::connections;
use service::Discovery;

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
    next_stream: AtomicU64,
}

/// Why serving ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeFailure {
    /// The listener or the transport failed.
    #[error(
        "serving xDS on the listening socket failed; check that the address is free and that the process may open more files"
    )]
    Transport(#[source] transport::Error),
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

    /// A server that gives each node what is in the store that `stores` assigns to it, and tells `observer` what becomes of it.
    pub fn assigned(stores: Arc<dyn Assign>, config: Config, observer: Arc<dyn Observer>) -> Self {
        let shared = Shared {
            admission: Admission::new(config.max_streams),
            stores,
            config,
            observer,
            proxies: Proxies::default(),
            next_stream: AtomicU64::new(1),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Every connected client.
    pub fn proxies(&self) -> Proxies {
        self.shared.proxies.clone()
    }

    /// How many streams were turned away since the start because the server was full.
    pub fn refused_streams(&self) -> u64 {
        self.shared.admission.refused()
    }

    /// Serves until `shutdown` is cancelled; then ends all streams and waits for the clients to hang up.
    ///
    /// # Errors
    ///
    /// [`ServeFailure::Transport`] if the listener fails, [`ServeFailure::CutOff`] if clients don't hang up in time.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> Result<(), ServeFailure> {
        let config = &self.shared.config;
        let incoming = connections(listener, config.tls.clone());
        let service = Discovery::new(Arc::clone(&self.shared), shutdown.clone());
        let serving = transport::Server::builder()
            .http2_keepalive_interval(Some(config.keepalive_interval))
            .http2_keepalive_timeout(Some(config.keepalive_timeout))
            .max_concurrent_streams(config.streams_per_connection)
            .serve_with_incoming_shutdown(service, incoming, shutdown.clone().cancelled_owned());
        let overdue = async {
            shutdown.cancelled().await;
            tokio::time::sleep(config.shutdown_grace).await;
        };
        tokio::select! {
            served = serving => served.map_err(ServeFailure::Transport),
            () = overdue => Err(ServeFailure::CutOff {
                streams: self.shared.proxies.len(),
                grace: config.shutdown_grace,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
