//! A control plane under test, which can be restarted on the same port.

use std::net::SocketAddr;
use std::sync::Arc;

use fusegate_xds::{Config, Server, Store};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A running server and its store.
pub(crate) struct Plane {
    pub(crate) store: Arc<Store>,
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

impl Plane {
    /// Serves an empty store on a free port.
    pub(crate) async fn start() -> Self {
        Self::start_with(Config::default()).await
    }

    /// The same with a configuration.
    pub(crate) async fn start_with(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::serve(Arc::default(), listener, config)
    }

    /// Stops.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.serving.await.unwrap();
    }

    /// Stops, and starts anew on the same port with nothing but what `store` holds.
    pub(crate) async fn restart(self, store: Store) -> Self {
        let address = self.address;
        self.stop().await;
        let listener = TcpListener::bind(address).await.unwrap();
        Self::serve(Arc::new(store), listener, Config::default())
    }

    fn serve(store: Arc<Store>, listener: TcpListener, config: Config) -> Self {
        let address = listener.local_addr().unwrap();
        let server = Server::new(Arc::clone(&store), config);
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn({
            let (server, shutdown) = (server.clone(), shutdown.clone());
            async move { server.serve(listener, shutdown).await.unwrap() }
        });
        Self {
            store,
            server,
            address,
            shutdown,
            serving,
        }
    }
}
