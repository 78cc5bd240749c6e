//! The webhook: its port, its certificates, and what becomes of what it denies.

mod denials;
mod keeper;
mod peers;
mod secret;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::listener::listen;
use crate::app::run::Parts;
use crate::app::webhook::keeper::Keeper;
use crate::app::webhook::peers::Peers;
use crate::app::webhook::secret::Secrets;
use crate::cli::run::Run;
use crate::cli::run::webhook::Webhook;
use crate::effects::cluster::Cluster;
use crate::runtime::authority::LIFETIMES;
use crate::runtime::metrics::Bound;
use crate::serve::webhook::{self, Reviewer, SharedIdentity};

/// The Service of the webhook, and the Secret of its certificates where fusegate makes them.
const NAME: &str = "fusegate-webhook";

/// How often the Secret is looked at. A new authority is trusted for a quarter of an hour before it signs.
const EVERY: Duration = Duration::from_secs(10);

impl Parts {
    /// Starts the webhook, where the options ask for one.
    pub(super) fn start_webhook(
        &self,
        options: &Run,
        cluster: &Cluster,
        leading: watch::Receiver<bool>,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        let Some(address) = options.webhook.listen else {
            return Ok(());
        };
        let listener = listen(address, "--webhook-listen")?;
        let identity = SharedIdentity::default();
        let keeper = Keeper {
            secrets: Secrets::new(cluster, options.webhook.secret.as_deref().unwrap_or(NAME)),
            given: options.webhook.secret.is_some(),
            names: names(&options.webhook, &cluster.namespace),
            client: client(&options.webhook, &cluster.namespace),
            lifetimes: LIFETIMES,
            every: EVERY,
            clock: self.clock,
            leading,
            identity: identity.clone(),
            engine: self.sender.clone(),
            metrics: self.metrics.clone(),
            used: None,
            told: None,
            failure: None,
        };
        let (reviewer, denials) = Reviewer::open(
            self.guards.clone(),
            identity.clone(),
            self.clock,
            self.metrics.clone(),
        );
        let (keeping, serving) = (self.token.clone(), self.token.clone());
        let untold = self.metrics.bound(Bound::Denials);
        let engine = self.sender.clone();
        let own = (options.replica.as_str(), options.share());
        let peers = Peers::new(cluster, own, self.clock, engine, untold);
        let talking = self.token.clone();
        tasks.spawn(async move {
            tokio::join!(
                keeper.run(keeping),
                webhook::serve(listener, reviewer, serving),
                peers.tell(denials, &talking),
                peers.hear(&talking)
            );
            Ok(())
        });
        Ok(())
    }
}

/// The names that the API server calls it by.
fn names(options: &Webhook, namespace: &str) -> Vec<String> {
    match &options.url {
        Some(url) => vec![url.host.clone()],
        None => vec![format!("{NAME}.{namespace}.svc")],
    }
}

/// How the API server reaches it.
fn client(options: &Webhook, namespace: &str) -> Value {
    match &options.url {
        Some(url) => json!({"url": url.text}),
        None => json!({"service": {"namespace": namespace, "name": NAME, "port": 443}}),
    }
}
