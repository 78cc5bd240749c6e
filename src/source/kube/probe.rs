//! A probe: independent evidence that the API server still reads from etcd.
//!
//! The silence of an open watch proves nothing: a frozen etcd or API server is silent
//! too. So every few seconds one object's metadata is listed without a resource version.
//! The server answers that from a quorum of etcd, or from a watch cache that it has just
//! verified to be current.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use kube::Client;
use serde::de::IgnoredAny;

use crate::source::kube::endpoint::Endpoint;
use crate::source::kube::failure::Failure;
use crate::wire::event::CONFIRM_EVERY_MS;

/// The pause after a successful probe. With an answer within a second, a healthy feed is
/// confirmed in time.
const PAUSE: Duration = Duration::from_millis(CONFIRM_EVERY_MS - 1_000);

/// The pause after a failed probe: short, so that recovery is noticed soon.
const PAUSE_FAILED: Duration = Duration::from_secs(1);

/// How long an answer may take. With [`PAUSE`] before it, an outage is noticed within 7 s.
const PATIENCE: Duration = Duration::from_secs(3);

/// When to probe next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Due {
    /// At once: a watch has just been opened.
    Now,
    /// After a success.
    Later,
    /// After a failure.
    Soon,
}

/// A pause and the probe after it, awaited beside a watch.
pub(super) struct Probe(Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>);

impl Probe {
    /// A probe that is due.
    pub(super) fn new(client: &Client, endpoint: &Endpoint, due: Due) -> Self {
        let (client, endpoint) = (client.clone(), endpoint.clone());
        Self(Box::pin(async move {
            tokio::time::sleep(due.pause()).await;
            Failure::within(PATIENCE, async {
                client.request::<IgnoredAny>(endpoint.probe()?).await
            })
            .await
            .map(|IgnoredAny| ())
        }))
    }
}

impl Future for Probe {
    type Output = Result<(), Failure>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl Due {
    fn pause(self) -> Duration {
        match self {
            Self::Now => Duration::ZERO,
            Self::Later => PAUSE,
            Self::Soon => PAUSE_FAILED,
        }
    }
}
