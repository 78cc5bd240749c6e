//! The incoming connections, accepted one after the other.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;

use super::counts::Counters;

/// How long to wait after the system refused a connection (out of descriptors, most likely), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The next connection, once there is a place for it; the place is free again when the permit is dropped.
pub(super) async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    counters: &Counters,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    if places.available_permits() == 0 {
        counters.connections_full.inc();
    }
    // The semaphore is never closed; were it, connections would go unbounded, not unserved.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                counters.connections.inc();
                return (stream, place);
            }
            Err(error) => {
                tracing::warn!(%error, "an xDS connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
