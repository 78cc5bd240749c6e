//! A connection: served from its handshake to its end, which its age brings if nothing else does.

use std::hash::{BuildHasher, RandomState};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::connection_context::ConnectionContext;
#[cfg(feature = "tls")]
use super::handshake::handshake;
use super::health::Health;
use super::poll_on_wake::PollOnWake;
use super::service::Discovery;
use super::stall::WatchedStreams;
use crate::peer::Peer;

/// Why a connection is to end before the client ends it.
enum End {
    Shutdown,
    Silence,
    Age,
}

/// Serves one connection, encrypted if that is configured.
pub(super) async fn converse(
    shared: Arc<Shared>,
    stream: TcpStream,
    shutdown: CancellationToken,
    health: Health,
) {
    // A response is small and must not wait for the next one; a client that has hung up already will be noticed later.
    let _ = stream.set_nodelay(true);
    let address = stream.peer_addr().ok();
    #[cfg(feature = "tls")]
    if let Some(tls) = &shared.config.tls {
        // In a box, as are the other waits that are long over or rare while the connection is served: there are thousands of these.
        let handshake = Box::pin(handshake(stream, address, tls));
        let (stream, certificate) = match shutdown.run_until_cancelled(handshake).await {
            Some(Some(ready)) => ready,
            Some(None) => return shared.counters.connections_failed.inc(),
            None => return,
        };
        let peer = Peer {
            address,
            certificate: certificate.map(Arc::new),
        };
        return converse_over(shared, stream, peer, shutdown, health).await;
    }
    let peer = Peer {
        address,
        certificate: None,
    };
    converse_over(shared, stream, peer, shutdown, health).await;
}

/// Serves one connection, whatever it is.
async fn converse_over(
    shared: Arc<Shared>,
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    shutdown: CancellationToken,
    health: Health,
) {
    let config = &shared.config;
    let context = Arc::new(ConnectionContext::new(peer, shutdown, config));
    let service = Discovery::new(Arc::clone(&shared), Arc::clone(&context), Some(health));
    let patience = config.send_time;
    let mut builder = auto::Builder::new(WatchedStreams { patience });
    // Who speaks HTTP/1 is told what is served here.
    builder.http1().keep_alive(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(config.keepalive_interval))
        .keep_alive_timeout(config.keepalive_timeout)
        .max_concurrent_streams(config.streams_per_connection);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    let random = RandomState::new().hash_one(context.peer.address);
    let age = age(config.max_connection_age, random);
    let end = PollOnWake::new(ended(&context, config.first_request, age));
    let end = tokio::select! {
        // A client that hangs up without a word does no harm; what its streams did is on record.
        _ = connection.as_mut() => return,
        end = end => end,
    };
    context.retire.cancel();
    connection.as_mut().graceful_shutdown();
    match end {
        // How long this may take is for the server to say.
        End::Shutdown => drop(connection.await),
        End::Silence => shared.counters.connections_silent.inc(),
        End::Age => {
            shared.counters.connections_aged.inc();
            // One that has not ended by then is dropped, and so cut off.
            let _ = timeout(config.max_connection_age_grace, connection).await;
        }
    }
}

/// Waits until the connection is to end.
async fn ended(context: &ConnectionContext, first_request: Duration, age: Duration) -> End {
    let silence = async {
        sleep(first_request).await;
        if context.used.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = context.shutdown.cancelled() => End::Shutdown,
        () = silence => End::Silence,
        () = sleep(age) => End::Age,
    }
}

/// `most`, give or take a tenth, so that connections opened together don't end together.
fn age(most: Duration, random: u64) -> Duration {
    let spread = u32::try_from(random % 2_001).unwrap_or(0);
    most / 10_000 * (9_000 + spread)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::age;

    #[test]
    fn an_age_is_within_a_tenth_of_what_is_configured() {
        let hour = Duration::from_hours(1);
        assert_eq!(age(hour, 0), hour * 9 / 10);
        assert_eq!(age(hour, 1_000), hour);
        assert_eq!(age(hour, 2_000), hour * 11 / 10);
        assert_ne!(age(hour, 17), age(hour, 18));
    }
}
