//! An operator: it measures its service every second and writes what it found into the object's status.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::files;
use crate::harness::support::http;

const EVERY: Duration = Duration::from_secs(1);

/// What it wrote last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) latency: Duration,
    /// The moment at which the file was in place.
    pub(crate) written: Instant,
}

/// A running operator of one object; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Operator {
    replicas: watch::Sender<u32>,
    reports: watch::Receiver<Report>,
    task: JoinHandle<()>,
}

impl Operator {
    /// Starts the operator of an object whose service answers at an address.
    pub(crate) fn start(name: &'static str, folder: PathBuf, service: SocketAddr) -> Result<Self> {
        let (replicas, wanted) = watch::channel(12);
        let first = Report {
            latency: Duration::ZERO,
            written: Instant::now(),
        };
        let (tell, reports) = watch::channel(first);
        let client = http::client()?;
        let task = tokio::spawn(async move {
            let mut ticks = interval(EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                let latency = measure(&client, service).await;
                let replicas = *wanted.borrow();
                // A failed probe or write is not reported, as with any operator; the next one is a second away.
                if let Ok(latency) = latency
                    && write(&folder, name, replicas, latency, now()).is_ok()
                {
                    let written = Instant::now();
                    tell.send_replace(Report { latency, written });
                }
            }
        });
        Ok(Self {
            replicas,
            reports,
            task,
        })
    }

    /// Scales the service.
    pub(crate) fn scale(&self, replicas: u32) {
        self.replicas.send_replace(replicas);
    }

    /// What was written last.
    pub(crate) fn report(&self) -> Report {
        *self.reports.borrow()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Any operator has a clock of its own.
#[allow(
    clippy::disallowed_methods,
    reason = "the operator is no part of fusegate"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

/// It asks the service itself, not Envoy: our own 503s are no evidence.
async fn measure(client: &reqwest::Client, service: SocketAddr) -> Result<Duration> {
    let begun = Instant::now();
    client
        .get(format!("http://{service}/health"))
        .send()
        .await?
        .error_for_status()
        .context("probe the service")?;
    Ok(begun.elapsed())
}

fn write(
    folder: &Path,
    name: &str,
    replicas: u32,
    latency: Duration,
    observed: Timestamp,
) -> Result<()> {
    let latency = latency.as_secs_f64() * 1_000.0;
    let text = format!(
        "apiVersion: shop.example.com/v1
kind: Storefront
metadata: {{name: {name}, namespace: shop}}
spec: {{replicas: {replicas}}}
status:
  conditions:
    network-latency: {{value: {latency:.1}ms, observedAt: \"{observed}\"}}
    error-rate: {{value: \"0.001\", observedAt: \"{observed}\"}}
"
    );
    files::write(folder, &format!("{name}.yaml"), &text)
}
