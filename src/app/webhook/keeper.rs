//! The keeper: looks after the webhook's certificates, uses what is stored, and renews it while this replica leads.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::admission::webhook::{self, PATH};
use crate::app::webhook::secret::{Proof, Secrets};
use crate::runtime::authority::issue::carry_out;
use crate::runtime::authority::{Lifetimes, Step, decide};
use crate::runtime::clock::Clock;
use crate::runtime::metrics::Metrics;
use crate::runtime::tls::{self, Pem};
use crate::serve::webhook::{Identity, SharedIdentity};
use crate::source::queue;
use crate::wire::event::{Event, WebhookState};

/// Looks after the certificates.
pub(super) struct Keeper {
    pub(super) secrets: Secrets,
    /// Whether somebody else makes and renews them.
    pub(super) given: bool,
    /// The names that the certificate is for.
    pub(super) names: Vec<String>,
    /// The `clientConfig` of the webhook, without what it is trusted by.
    pub(super) client: Value,
    pub(super) lifetimes: Lifetimes,
    /// How often it looks.
    pub(super) every: Duration,
    pub(super) clock: Clock,
    pub(super) leading: watch::Receiver<bool>,
    pub(super) identity: SharedIdentity,
    pub(super) engine: queue::Sender,
    pub(super) metrics: Metrics,
    /// What is in use.
    pub(super) used: Option<Proof>,
    /// What the engine was told.
    pub(super) told: Option<WebhookState>,
    /// The failure that was logged.
    pub(super) failure: Option<String>,
}

impl Keeper {
    /// Runs until shutdown, or until the engine is gone.
    pub(super) async fn run(mut self, shutdown: CancellationToken) {
        while shutdown.run_until_cancelled(self.turn()).await == Some(true) {}
    }

    /// One look, and the wait until the next; whether there is to be one.
    async fn turn(&mut self) -> bool {
        let looked = self.look().await;
        if !self.tell(looked).await {
            return false;
        }
        let mut leading = self.leading.clone();
        tokio::select! {
            () = sleep(self.every) => {}
            Ok(()) = leading.changed() => {}
        }
        self.leading = leading;
        true
    }

    /// Reads what is stored, renews what is due if this replica leads and nobody else does, and uses it.
    async fn look(&mut self) -> anyhow::Result<WebhookState> {
        let leads = *self.leading.borrow_and_update();
        if self.given {
            let name = self.names.first().map(String::as_str).unwrap_or_default();
            let proof = self.secrets.given(name).await?;
            return self.take(proof);
        }
        let stored = self.secrets.read().await?;
        let now = u64::try_from(self.clock.now().wall.0 / 1_000).unwrap_or_default();
        let step = decide(stored.material.as_ref(), &self.names, now, &self.lifetimes);
        if step == Step::Keep || !leads {
            let material = stored.material.context(
                "there are no certificates for the webhook yet; the replica that holds the lease makes them",
            )?;
            return self.take(material.into());
        }
        let material = carry_out(
            step,
            stored.material.clone(),
            &self.names,
            now,
            &self.lifetimes,
        )?;
        let written = self.secrets.write(&stored, &material).await;
        match (written, stored.material) {
            (Ok(()), _) => {
                tracing::info!(?step, "the certificates of the webhook were renewed");
                self.take(material.into())
            }
            (Err(error), Some(before)) => {
                // What is there is still of use.
                let state = self.take(before.into())?;
                self.warn(&error);
                Ok(state)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Uses the certificate for the connections to come.
    fn take(&mut self, proof: Proof) -> anyhow::Result<WebhookState> {
        let mut client = self.client.clone();
        if let Some(fields) = client.as_object_mut()
            && !proof.authorities.is_empty()
        {
            let bundle = STANDARD.encode(&proof.authorities);
            fields.insert("caBundle".to_owned(), bundle.into());
        }
        webhook::put_path(&mut client, &format!("{PATH}/{}", proof.token));
        if self.used.as_ref() != Some(&proof) {
            let pem = Pem {
                certificates: proof.leaf.certificate.as_bytes(),
                key: proof.leaf.key.as_bytes(),
                client_authorities: None,
            };
            let config = tls::server(pem).context("using the certificate of the webhook")?;
            let token = proof.token.clone();
            self.identity.store(Some(Arc::new(Identity {
                config: Arc::new(config),
                token,
            })));
            let expires = i64::try_from(proof.leaf.validity.until).unwrap_or(i64::MAX);
            self.metrics.admission.expires.set(expires);
            self.used = Some(proof);
        }
        Ok(WebhookState::Serving(client))
    }

    /// Tells the engine, where it is news; false once that is gone.
    async fn tell(&mut self, looked: anyhow::Result<WebhookState>) -> bool {
        let state = match looked {
            Ok(state) => {
                if self.failure.take().is_some() {
                    self.metrics.admission.stale.set(0);
                }
                state
            }
            Err(error) => {
                self.warn(&error);
                if self.used.is_some() {
                    // What is in use goes on.
                    return true;
                }
                WebhookState::Failed(format!("{error:#}").into())
            }
        };
        if self.told.as_ref() == Some(&state) {
            return true;
        }
        self.told = Some(state.clone());
        self.engine.send(Event::Webhook(state)).await.is_ok()
    }

    fn warn(&mut self, error: &anyhow::Error) {
        let failure = format!("{error:#}");
        if self.failure.as_ref() != Some(&failure) {
            tracing::warn!(
                reason = failure,
                "the certificates of the webhook can't be read or renewed"
            );
            self.failure = Some(failure);
        }
        self.metrics.admission.stale.set(1);
    }
}
