//! Resources made on demand: one by one, as names are subscribed to, and dropped when nobody wants them any longer.

mod wanted;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Server;
use crate::resource::Resource;
use crate::store::Store;
use crate::type_url::TypeUrl;

pub(super) use wanted::{AllWanted, Wanted};

/// How many resources of a type are made on demand, and how long they stay.
#[derive(Clone, Debug)]
pub struct OnDemand {
    /// How many names may be wanted at once; nothing is made for those beyond, which do not exist as far as their clients hear.
    pub names: usize,
    /// How many are being made at once; others wait.
    pub at_once: usize,
    /// How long a resource stays when nobody subscribes to it any longer; a client that reconnects finds it.
    pub linger: Duration,
}

impl Default for OnDemand {
    fn default() -> Self {
        Self {
            names: 10_000,
            at_once: 64,
            linger: Duration::from_mins(1),
        }
    }
}

/// Makes resources on demand; it must be run for as long as the server runs.
#[must_use = "whoever subscribes waits until it runs"]
pub struct Maker {
    wanted: Arc<Wanted>,
    at_once: usize,
}

impl Server {
    /// Resources of `type_url` in `store` are made when their names are subscribed to for the first time, and dropped some time after the last subscription.
    ///
    /// To be called before the server serves: of streams that are there already nothing is known.
    /// Names under which something is published are left alone, as are wildcards, globs, and names that the client may not have.
    /// Until a resource is made, its name gets no answer; where none is made, it does not exist.
    ///
    /// ```no_run
    /// use std::sync::Arc;
    ///
    /// use fusegate_xds::server::OnDemand;
    /// use fusegate_xds::{Config, Server, Store, TypeUrl, runtime};
    /// use tokio_util::sync::CancellationToken;
    ///
    /// # async fn run() {
    /// let store = Arc::new(Store::new());
    /// let server = Server::new(Arc::clone(&store), Config::default());
    /// let maker = server.on_demand(&store, TypeUrl::RUNTIME, OnDemand::default());
    /// let make = async |name: Arc<str>| name.starts_with("team-").then(|| runtime::layer(&name, []));
    /// tokio::spawn(maker.run(make, CancellationToken::new()));
    /// # }
    /// ```
    pub fn on_demand(&self, store: &Arc<Store>, type_url: TypeUrl, how: OnDemand) -> Maker {
        let at_once = how.at_once.max(1);
        let wanted = Arc::new(Wanted::new(Arc::clone(store), type_url, how));
        self.shared.on_demand.insert(&wanted);
        Maker { wanted, at_once }
    }
}

impl Maker {
    /// Makes each resource that is wanted with `make`, until `shutdown` is cancelled; `make` gives none where there is none to be.
    ///
    /// What is made must be of that type and have that name. It may be published anew at any time, such as when it changes; it is dropped all the same.
    pub async fn run<F, M>(self, make: F, shutdown: CancellationToken)
    where
        F: Fn(Arc<str>) -> M,
        M: Future<Output = Option<Resource>>,
    {
        let mut pending = FuturesUnordered::new();
        loop {
            while pending.len() < self.at_once
                && let Some(name) = self.wanted.take_next()
            {
                let resource = make(Arc::clone(&name));
                pending.push(async move { (name, resource.await) });
            }
            let expires = self.wanted.expires();
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.wanted.changed() => {}
                Some((name, resource)) = pending.next() => self.wanted.made(&name, resource),
                () = sleep_until(expires.unwrap_or_else(Instant::now)), if expires.is_some() => {
                    self.wanted.expire();
                }
            }
        }
    }
}
