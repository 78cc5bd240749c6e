//! A control plane under test, which can be restarted on the same port.

use std::net::SocketAddr;
use std::sync::Arc;

use fusegate_xds::protocol::{Rejection, Response};
use fusegate_xds::proxies::Proxy;
use fusegate_xds::snapshot::Collection;
use fusegate_xds::{Config, Observer, Server, Store, TypeUrl, Update};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::ports::{free_port, local};
use crate::wait::until;

/// A running server and its store.
pub(crate) struct Plane {
    pub(crate) store: Arc<Store>,
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    refusals: watch::Receiver<Vec<Refused>>,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

/// What the observer was told of a refusal: the type, and Envoy's words.
type Refused = (TypeUrl, String);

/// An observer that keeps all refusals.
struct Refusals(watch::Sender<Vec<Refused>>);

impl Observer for Refusals {
    fn nacked(&self, _: &Proxy, response: &Response, rejection: &Rejection) {
        let refused = (response.type_url.clone(), rejection.message.clone());
        self.0.send_modify(|refusals| refusals.push(refused));
    }
}

impl Plane {
    /// Serves an empty store on a free port.
    pub(crate) async fn start() -> Self {
        Self::start_with(Config::default()).await
    }

    /// The same with a configuration.
    pub(crate) async fn start_with(config: Config) -> Self {
        let listener = TcpListener::bind(local(free_port())).await.unwrap();
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

    /// Dies, and starts anew on the same port with nothing but what `store` holds.
    pub(crate) async fn die_and_restart(self, store: Store) -> Self {
        let address = self.address;
        self.serving.abort();
        // It is over once its listener is closed, and its connections with it.
        assert!(self.serving.await.is_err_and(|error| error.is_cancelled()));
        let listener = TcpListener::bind(address).await.unwrap();
        Self::serve(Arc::new(store), listener, Config::default())
    }

    /// What a new process has once it has published the same as this one.
    pub(crate) fn published_anew(&self) -> Store {
        let snapshot = self.store.snapshot();
        let collections = snapshot.types().filter_map(|of| snapshot.collection(of));
        let resources = collections.flat_map(Collection::resources);
        let store = Store::new();
        store.publish(resources.cloned().fold(Update::new(), Update::put));
        store
    }

    /// Envoy's words about the last refusal of this type.
    pub(crate) fn refusal(&self, type_url: &TypeUrl) -> Option<String> {
        let refusals = self.refusals.borrow();
        let last = refusals.iter().rev().find(|(of, _)| of == type_url);
        last.map(|(_, message)| message.clone())
    }

    /// Waits until every stream that subscribes to a name, and at least one, has taken what is published under it.
    pub(crate) async fn taken(&self, type_url: &TypeUrl, name: &str) {
        let what = format!("{type_url:?} {name} at the proxy");
        until(&what, true, async || self.is_taken(type_url, name)).await;
    }

    fn is_taken(&self, type_url: &TypeUrl, name: &str) -> bool {
        let snapshot = self.store.snapshot();
        let collection = snapshot.collection(type_url).unwrap();
        let version = collection.published(name).unwrap().version();
        let mut subscribed = 0;
        let statuses = self.server.proxies().list();
        let taken = statuses
            .iter()
            .filter_map(|proxy| proxy.of_type(type_url))
            .all(|status| match status.names.get(name) {
                Some(known) => {
                    subscribed += 1;
                    known.acked == Some(version)
                }
                None if status.wildcard => {
                    subscribed += 1;
                    status
                        .acked
                        .is_some_and(|acked| acked.version == collection.version())
                }
                None => true,
            });
        taken && subscribed > 0
    }

    fn serve(store: Arc<Store>, listener: TcpListener, config: Config) -> Self {
        let address = listener.local_addr().unwrap();
        let (sender, refusals) = watch::channel(Vec::new());
        let observer = Arc::new(Refusals(sender));
        let server = Server::observed(Arc::clone(&store), config, observer);
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn({
            let (server, shutdown) = (server.clone(), shutdown.clone());
            async move { server.serve(listener, shutdown).await.unwrap() }
        });
        Self {
            store,
            server,
            address,
            refusals,
            shutdown,
            serving,
        }
    }
}
