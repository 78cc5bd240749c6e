//! The connections of a transport that is not this library's, told apart by what it says of them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, Weak};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::codegen::http::Extensions;
use tonic::transport::server::TcpConnectInfo;

use super::config::Config;
use super::connection_context::ConnectionContext;
use crate::peer::Peer;

/// The connections that have streams.
pub(super) struct Connections {
    shutdown: CancellationToken,
    #[expect(
        clippy::disallowed_types,
        reason = "a request looks in it once, and nobody holds it for longer than that takes"
    )]
    known: std::sync::Mutex<Known>,
}

/// What the streams of each connection share, for as long as there are any.
#[derive(Default)]
struct Known {
    contexts: HashMap<Key, Weak<ConnectionContext>>,
    /// Those without streams are forgotten once there are so many in all.
    tidy_at: usize,
}

/// What tells a connection from others.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    /// Its two ends.
    Addresses(SocketAddr, Option<SocketAddr>),
    /// The process at the other end of a Unix socket.
    Process(i32),
}

/// As few as that are not worth looking for those without streams.
const FEW: usize = 64;

impl Connections {
    pub(super) fn new(shutdown: CancellationToken) -> Self {
        Self {
            shutdown,
            known: Known::default().into(),
        }
    }

    /// What the streams of the connection share over which a request with these extensions came.
    ///
    /// A connection that can't be told from others is one for each request.
    pub(super) fn of(&self, extensions: &Extensions, config: &Config) -> Arc<ConnectionContext> {
        let make = || {
            let context = ConnectionContext::new(peer(extensions), self.shutdown.clone(), config);
            Arc::new(context.ending(Instant::now() + config.max_connection_age))
        };
        let Some(key) = key(extensions) else {
            return make();
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let context = known.contexts.get(&key).and_then(Weak::upgrade);
        // The streams of one that has reached its age are about to end.
        if let Some(context) = context.filter(|context| !context.has_ended()) {
            return context;
        }
        let context = make();
        known.insert(key, &context);
        context
    }
}

impl Known {
    fn insert(&mut self, key: Key, context: &Arc<ConnectionContext>) {
        if self.contexts.len() >= self.tidy_at {
            self.contexts
                .retain(|_, context| context.strong_count() > 0);
            self.tidy_at = FEW.max(2 * self.contexts.len());
        }
        self.contexts.insert(key, Arc::downgrade(context));
    }
}

fn key(extensions: &Extensions) -> Option<Key> {
    if let Some(info) = tcp(extensions) {
        let remote = info.remote_addr?;
        return Some(Key::Addresses(remote, info.local_addr));
    }
    process(extensions).map(Key::Process)
}

/// Who is at the other end, as far as the transport says.
fn peer(extensions: &Extensions) -> Peer {
    if let Some(peer) = extensions.get::<Peer>() {
        return peer.clone();
    }
    Peer {
        address: tcp(extensions).and_then(|info| info.remote_addr),
        #[cfg(feature = "tls")]
        certificate: super::certificate::of_transport(extensions).map(Arc::new),
        #[cfg(not(feature = "tls"))]
        certificate: None,
    }
}

fn tcp(extensions: &Extensions) -> Option<&TcpConnectInfo> {
    extensions.get()
}

/// The number of the process at the other end of a Unix socket.
#[cfg(unix)]
fn process(extensions: &Extensions) -> Option<i32> {
    let info = extensions.get::<tonic::transport::server::UdsConnectInfo>()?;
    info.peer_cred.as_ref()?.pid()
}

#[cfg(not(unix))]
fn process(_: &Extensions) -> Option<i32> {
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio_util::sync::CancellationToken;
    use tonic::codegen::http::Extensions;
    use tonic::transport::server::TcpConnectInfo;

    use super::{Connections, FEW};
    use crate::server::config::Config;

    /// What a transport says of a connection from this port.
    fn from_port(port: u16) -> Extensions {
        let mut extensions = Extensions::new();
        extensions.insert(TcpConnectInfo {
            local_addr: Some(([127, 0, 0, 1], 18_000).into()),
            remote_addr: Some(([127, 0, 0, 1], port).into()),
        });
        extensions
    }

    #[tokio::test(start_paused = true)]
    async fn requests_over_one_connection_share_it_until_it_has_reached_its_age() {
        let connections = Connections::new(CancellationToken::new());
        let config = Config::default();
        let of = |extensions| connections.of(&extensions, &config);
        let first = of(from_port(1));
        assert!(Arc::ptr_eq(&first, &of(from_port(1))));
        assert!(!Arc::ptr_eq(&first, &of(from_port(2))));
        let unknown = of(Extensions::new());
        assert!(!Arc::ptr_eq(&unknown, &of(Extensions::new())));
        assert_eq!(first.peer.address, Some(([127, 0, 0, 1], 1).into()));
        tokio::time::advance(config.max_connection_age + Duration::from_millis(1)).await;
        first.retired().await;
        assert!(!Arc::ptr_eq(&first, &of(from_port(1))));
    }

    #[tokio::test]
    async fn connections_without_streams_are_forgotten() {
        let connections = Connections::new(CancellationToken::new());
        let config = Config::default();
        let used = connections.of(&from_port(1), &config);
        for port in 2..10_000 {
            connections.of(&from_port(port), &config);
        }
        assert!(connections.known.lock().unwrap().contexts.len() <= FEW);
        assert!(Arc::ptr_eq(&used, &connections.of(&from_port(1), &config)));
    }
}
