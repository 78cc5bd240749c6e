//! A control plane under test, which can be restarted on the same port.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use fusegate_xds::protocol::{Rejection, Response};
use fusegate_xds::proxies::Proxy;
use fusegate_xds::snapshot::Collection;
use fusegate_xds::{Config, Observer, Resource, Server, Store, TypeUrl, Update};
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
    answers: watch::Receiver<Answers>,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
}

/// What clients answered.
#[derive(Default)]
struct Answers {
    /// Of which type, and the client's words.
    refused: Vec<(TypeUrl, String)>,
    taken: BTreeSet<(TypeUrl, Arc<str>)>,
}

/// An observer that keeps all answers.
struct Keeping(watch::Sender<Answers>);

impl Observer for Keeping {
    fn acked(&self, _: &Proxy, response: &Response) {
        let names = response.resources.iter().map(Resource::name);
        let taken = names.map(|name| (response.type_url.clone(), Arc::clone(name)));
        self.0.send_modify(|answers| answers.taken.extend(taken));
    }

    fn nacked(&self, _: &Proxy, response: &Response, rejection: &Rejection) {
        let refused = (response.type_url.clone(), rejection.message.clone());
        self.0.send_modify(|answers| answers.refused.push(refused));
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

    /// Dies.
    pub(crate) async fn die(&mut self) {
        self.serving.abort();
        // It is over once its listener is closed, and its connections with it.
        let ended = (&mut self.serving).await;
        assert!(ended.is_err_and(|error| error.is_cancelled()));
    }

    /// Dies, and starts anew on the same port with nothing but what `store` holds.
    pub(crate) async fn die_and_restart(mut self, store: Store) -> Self {
        self.die().await;
        self.start_anew(store).await
    }

    /// Starts anew on the same port, once it is dead.
    pub(crate) async fn start_anew(self, store: Store) -> Self {
        let listener = TcpListener::bind(self.address).await.unwrap();
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
        let answers = self.answers.borrow();
        let last = answers.refused.iter().rev().find(|(of, _)| of == type_url);
        last.map(|(_, message)| message.clone())
    }

    /// Waits until some client has taken what was published under a name, which may be gone by now.
    pub(crate) async fn was_taken(&self, type_url: &TypeUrl, name: &str) {
        let key = (type_url.clone(), Arc::from(name));
        let what = format!("{type_url:?} {name} is taken by somebody");
        until(&what, true, async || {
            self.answers.borrow().taken.contains(&key)
        })
        .await;
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
        let (sender, answers) = watch::channel(Answers::default());
        let observer = Arc::new(Keeping(sender));
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
            answers,
            shutdown,
            serving,
        }
    }
}
