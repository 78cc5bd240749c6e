//! One Alertmanager: its queue and the task that posts to it.
//!
//! Source: Alertmanager API v2, `POST /api/v2/alerts`. A 400 is partial there: the valid alerts of the
//! request were accepted. So a refused batch is halved until the invalid alert is alone in it.

mod batch;

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use hyper_util::client::legacy::connect::Connect;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::effects::alert::send::batch::body;
use crate::effects::alert::table::{BOUND, Labels, Queue};
use crate::effects::cluster::brief;
use crate::effects::lead::Lead;
use crate::runtime::backoff::{self, Backoff};
use crate::runtime::clock::Clock;
use crate::runtime::http_client::{self, HttpClient, Unprepared};
use crate::runtime::keyed_queue::KeyedQueue;
use crate::runtime::metrics::{EffectKind, EffectResult, Metrics, Post, PostLabel};
use crate::runtime::server_url::ServerUrl;
use crate::wire::effect::Alert;

/// What messages call it.
pub(super) const ALERTMANAGER: &str = "Alertmanager";

/// The path of Alertmanager's API, below its own pages.
const ALERTS: &str = "/api/v2/alerts";

/// The most alerts in one request.
const MOST_TOGETHER: usize = 64;

/// The deadline of one request.
const WITHIN: Duration = Duration::from_secs(5);

/// Between attempts: an Alertmanager that is back should receive a page within seconds.
const RETRY: Backoff = Backoff {
    base: Duration::from_millis(500),
    max: Duration::from_secs(10),
};

/// One Alertmanager.
#[derive(Debug)]
pub(super) struct Receiver {
    queue: Queue,
    address: ServerUrl,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Receiver {
    pub(super) fn start(
        address: ServerUrl,
        lead: Lead,
        clock: Clock,
        metrics: Metrics,
    ) -> Result<Self, Unprepared> {
        let queue: Queue = Arc::new(KeyedQueue::new(BOUND));
        let stop = CancellationToken::new();
        let poster = Poster {
            http: http_client::open(ALERTMANAGER, address.clone(), ALERTS)?,
            queue: Arc::clone(&queue),
            lead,
            clock,
            metrics,
        };
        let task = tokio::spawn(poster.run(stop.clone()));
        Ok(Self {
            queue,
            address,
            stop,
            task,
        })
    }

    pub(super) fn queue(&self) -> Queue {
        Arc::clone(&self.queue)
    }

    pub(super) async fn drain(self, deadline: Instant) {
        if timeout_at(deadline, self.queue.idle()).await.is_err() {
            tracing::warn!(alertmanager = %self.address, "shutting down before all alerts were sent");
        }
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(alertmanager = %self.address, %error, "the task of an Alertmanager panicked; please report it");
        }
    }
}

/// The task that posts.
struct Poster<C> {
    http: HttpClient<C>,
    queue: Queue,
    lead: Lead,
    clock: Clock,
    metrics: Metrics,
}

/// Alerts that are sent together.
type Batch = Vec<(Labels, Arc<Alert>)>;

/// How a request ended.
enum Answer {
    Accepted,
    /// Alertmanager refuses something in it.
    Refused(String),
    /// Alertmanager can't accept any of it now.
    Failed(String),
}

impl<C> Poster<C>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    async fn run(mut self, stop: CancellationToken) {
        let seed = backoff::seed(&self.http.url().to_string());
        let mut failures = 0;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                batch = self.gather() => {
                    self.http.refresh().await;
                    match self.deliver(batch).await {
                        Ok(()) => self.recovered(&mut failures),
                        Err(reason) => self.failed(&mut failures, &reason),
                    }
                }
            }
            if failures > 0 {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = sleep(RETRY.wait(failures, seed)) => {}
                }
            }
        }
    }

    async fn gather(&self) -> Batch {
        let mut batch = vec![self.queue.take().await];
        while batch.len() < MOST_TOGETHER {
            match self.queue.try_take() {
                Some(taken) => batch.push(taken),
                None => break,
            }
        }
        batch
    }

    /// Posts a batch, in smaller parts if it is refused. What can't be sent now goes back to the queue.
    async fn deliver(&self, batch: Batch) -> Result<(), String> {
        let mut parts = vec![batch];
        while let Some(mut part) = parts.pop() {
            if !self.lead.holds() {
                // Another leader may have told otherwise by now.
                self.finish(&part, EffectResult::NotLeading);
                continue;
            }
            match self.post(&part).await {
                Answer::Accepted => self.finish(&part, EffectResult::Done),
                Answer::Refused(reason) if part.len() == 1 => {
                    self.finish(&part, EffectResult::Failed);
                    let labels = part.first().map(|(labels, _)| labels);
                    tracing::error!(alertmanager = %self.http.url(), ?labels, reason, "Alertmanager refused an alert; it is dropped");
                }
                Answer::Refused(_) => {
                    parts.push(part.split_off(part.len() / 2));
                    parts.push(part);
                }
                Answer::Failed(reason) => {
                    parts.push(part);
                    for (labels, alert) in parts.into_iter().flatten() {
                        self.queue.put_back(labels, alert);
                    }
                    return Err(reason);
                }
            }
        }
        Ok(())
    }

    fn finish(&self, part: &Batch, result: EffectResult) {
        for (labels, _) in part {
            self.queue.done(labels);
            self.metrics.effect(EffectKind::Alert, result);
        }
    }

    async fn post(&self, part: &Batch) -> Answer {
        let alerts = part.iter().map(|(_, alert)| &**alert);
        let body = body(alerts, self.clock.now().wall);
        let answer = match self.http.post("application/json", body, WITHIN).await {
            Ok((status, text)) => judge(status, &String::from_utf8_lossy(&text)),
            Err(reason) => Answer::Failed(reason),
        };
        let result = match &answer {
            Answer::Accepted => Post::Accepted,
            Answer::Refused(_) => Post::Refused,
            Answer::Failed(_) => Post::Failed,
        };
        self.metrics
            .alert_posts
            .get_or_create(&PostLabel { result })
            .inc();
        answer
    }

    fn recovered(&self, failures: &mut u32) {
        if *failures > 0 {
            tracing::info!(alertmanager = %self.http.url(), "Alertmanager accepts alerts again");
        }
        *failures = 0;
    }

    fn failed(&self, failures: &mut u32, reason: &str) {
        *failures += 1;
        self.metrics
            .effect(EffectKind::Alert, EffectResult::Retried);
        if *failures == 1 {
            tracing::warn!(alertmanager = %self.http.url(), reason, "cannot send alerts to Alertmanager; retrying");
        }
    }
}

/// Alertmanager answers 400 to an invalid alert, and a proxy before it 413 to a large request. Any other
/// refusal is about the setup and is retried: it may be corrected.
fn judge(status: StatusCode, text: &str) -> Answer {
    let reason = format!("{status}: {}", brief(text.trim()));
    match status {
        status if status.is_success() => Answer::Accepted,
        StatusCode::BAD_REQUEST
        | StatusCode::UNPROCESSABLE_ENTITY
        | StatusCode::PAYLOAD_TOO_LARGE => Answer::Refused(reason),
        _ => Answer::Failed(reason),
    }
}

#[cfg(test)]
mod tests;
