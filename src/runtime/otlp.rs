//! OTLP: spans on their way to an OpenTelemetry collector.
//!
//! Whoever makes a span never waits: what the collector does not take in time is dropped and counted.
//! Source: OpenTelemetry, "OTLP/HTTP", with Protobuf.

mod message;
mod span;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use hyper_util::client::legacy::connect::Connect;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prost::Message as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use twox_hash::XxHash3_64;

use crate::runtime::backoff::{self, Backoff};
use crate::runtime::clock::Clock;
use crate::runtime::http_client::{self, HttpClient, Unprepared};
use crate::runtime::metrics::{Bound, Metrics, SpanLabel, SpanResult};
use crate::runtime::otlp::message::{
    KeyValue, Request, Resource, ResourceSpans, Response, Scope, ScopeSpans,
};
use crate::runtime::server_url::ServerUrl;

pub use span::{Kind, Span, SpanId, Value};

/// The path of traces, below the endpoint.
const TRACES: &str = "/v1/traces";

/// The most spans that wait: a few megabytes, and what a fleet of thousands answers to one write.
pub const MOST_SPANS: usize = 8_192;

/// The most spans in one request, as in OpenTelemetry's own batch processors.
const MOST_TOGETHER: usize = 512;

/// How long the first span of a request waits for others.
const LINGER: Duration = Duration::from_secs(1);

/// The deadline of one request.
const WITHIN: Duration = Duration::from_secs(10);

/// Between attempts.
const RETRY: Backoff = Backoff {
    base: Duration::from_secs(1),
    max: Duration::from_secs(30),
};

/// Takes spans, and never waits. Clones share one queue.
#[derive(Clone, Debug)]
pub struct Spans {
    sender: mpsc::Sender<Span>,
    dropped: Counter,
    waiting: Gauge,
    ids: Arc<Ids>,
}

/// Where span ids come from.
#[derive(Debug)]
struct Ids {
    seed: u64,
    next: AtomicU64,
}

/// The task that sends spans.
#[derive(Debug)]
pub struct Exporter {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// Starts a task that sends spans to a collector, as those of a program with these attributes.
///
/// # Errors
///
/// When the options of the collector, or its certificates, can't be used.
///
/// # Panics
///
/// Outside a Tokio runtime.
pub fn start(
    collector: ServerUrl,
    resource: Vec<(&'static str, String)>,
    clock: Clock,
    metrics: &Metrics,
) -> Result<(Spans, Exporter), Unprepared> {
    let resource = resource.into_iter();
    let resource: Vec<_> = resource
        .map(|(key, value)| Value::from(value).encoded(key))
        .collect();
    let seed = backoff::seed(&format!("{resource:?}{}", clock.now().wall.0));
    let (spans, received) = channel(seed, metrics);
    let sending = Sending {
        http: http_client::open("the collector of traces", collector, TRACES)?,
        spans: received,
        waiting: spans.waiting.clone(),
        resource,
        clock,
        metrics: metrics.clone(),
        failures: 0,
        refused: false,
    };
    let stop = CancellationToken::new();
    let task = tokio::spawn(sending.run(stop.clone()));
    Ok((spans, Exporter { stop, task }))
}

/// The queue, with ids that follow from a seed.
pub(crate) fn channel(seed: u64, metrics: &Metrics) -> (Spans, mpsc::Receiver<Span>) {
    let (sender, received) = mpsc::channel(MOST_SPANS);
    let next = AtomicU64::new(0);
    let spans = Spans {
        sender,
        dropped: metrics.bound(Bound::TraceSpans),
        waiting: metrics.bound_size(Bound::TraceSpans),
        ids: Arc::new(Ids { seed, next }),
    };
    (spans, received)
}

impl Spans {
    /// An id that no other span of a trace has, of any replica.
    pub fn id(&self) -> SpanId {
        let next = self.ids.next.fetch_add(1, Ordering::Relaxed);
        // No id is zero.
        SpanId(XxHash3_64::oneshot_with_seed(self.ids.seed, &next.to_le_bytes()).max(1))
    }

    /// Hands a span over; drops and counts it at the bound.
    pub fn send(&self, span: Span) {
        self.waiting.inc();
        if self.sender.try_send(span).is_err() {
            self.waiting.dec();
            self.dropped.inc();
        }
    }

    /// Counts a span that could not even be made.
    pub fn drop_one(&self) {
        self.dropped.inc();
    }
}

impl Exporter {
    /// Sends what waits, once, and gives up at the deadline.
    pub async fn drain(self, deadline: Instant) {
        self.stop.cancel();
        // A collector that is away keeps nobody from ending.
        let _late = timeout_at(deadline, self.task).await;
    }
}

/// The task.
struct Sending<C> {
    http: HttpClient<C>,
    spans: mpsc::Receiver<Span>,
    waiting: Gauge,
    resource: Vec<KeyValue>,
    clock: Clock,
    metrics: Metrics,
    /// How often in a row the collector was not reached.
    failures: u32,
    /// Whether it has refused spans that it will not take later either.
    refused: bool,
}

/// What a collector made of a request.
enum Answer {
    /// It took all but so many, and says why.
    Accepted(u64, String),
    /// It will never take them.
    Refused(String),
    /// It may take them later.
    Later(String),
}

impl<C> Sending<C>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    async fn run(mut self, stop: CancellationToken) {
        let seed = backoff::seed(&self.http.url().to_string());
        let mut batch = Vec::new();
        while self.gather(&mut batch, &stop).await {
            let count = batch.len();
            let body = self.body(std::mem::take(&mut batch));
            loop {
                self.http.refresh().await;
                let sent = self
                    .http
                    .post("application/x-protobuf", body.clone(), WITHIN);
                let answer = sent
                    .await
                    .map_or_else(Answer::Later, |(status, body)| judge(status, &body));
                if self.take(answer, count) {
                    break;
                }
                let wait = sleep(RETRY.wait(self.failures, seed));
                if stop.run_until_cancelled(wait).await.is_none() {
                    return;
                }
            }
        }
    }

    /// Takes spans until there are enough for a request, or the first has waited; false if there are no more.
    async fn gather(&mut self, batch: &mut Vec<Span>, stop: &CancellationToken) -> bool {
        let first = stop.run_until_cancelled(self.spans.recv_many(batch, MOST_TOGETHER));
        if first.await.is_none() {
            // Told to stop: only what is there already.
            self.spans.close();
            self.spans.recv_many(batch, MOST_TOGETHER).await;
        }
        let mut due = pin!(sleep(LINGER));
        while !batch.is_empty() && batch.len() < MOST_TOGETHER {
            let more = MOST_TOGETHER - batch.len();
            let came = tokio::select! {
                came = self.spans.recv_many(batch, more) => came,
                () = &mut due => 0,
                () = stop.cancelled(), if !self.spans.is_closed() => 0,
            };
            if came == 0 {
                break;
            }
        }
        self.waiting.dec_by(i64::try_from(batch.len()).unwrap_or(0));
        !batch.is_empty()
    }

    fn body(&self, batch: Vec<Span>) -> Vec<u8> {
        let spans = batch.into_iter().map(|span| span.encoded(self.clock));
        let scope_spans = ScopeSpans {
            scope: Some(Scope {
                name: "fusegate".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            }),
            spans: spans.collect(),
        };
        let resource_spans = ResourceSpans {
            resource: Some(Resource {
                attributes: self.resource.clone(),
            }),
            scope_spans: vec![scope_spans],
        };
        let request = Request {
            resource_spans: vec![resource_spans],
        };
        request.encode_to_vec()
    }

    /// Counts and logs an answer; false if the request is to be sent again.
    fn take(&mut self, answer: Answer, count: usize) -> bool {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        let url = self.http.url();
        let (refused, reason) = match answer {
            Answer::Later(reason) => {
                self.failures += 1;
                if self.failures == 1 {
                    tracing::warn!(collector = %url, reason, "cannot send traces; what no longer fits into the queue is dropped");
                }
                return false;
            }
            Answer::Refused(reason) => (count, reason),
            Answer::Accepted(refused, reason) => (refused.min(count), reason),
        };
        if self.failures > 0 {
            tracing::info!(collector = %url, "the collector answers again");
        }
        self.failures = 0;
        if refused > 0 && !self.refused {
            tracing::warn!(collector = %url, refused, reason, "the collector refuses spans; they are dropped");
        }
        self.refused = refused > 0;
        self.count(SpanResult::Sent, count - refused);
        self.count(SpanResult::Refused, refused);
        true
    }

    fn count(&self, result: SpanResult, count: u64) {
        let label = SpanLabel { result };
        let counter = self.metrics.traces.spans.get_or_create(&label);
        counter.inc_by(count);
    }
}

/// OTLP/HTTP, "Failures": these codes alone are worth another attempt.
fn judge(status: StatusCode, body: &Bytes) -> Answer {
    if status.is_success() {
        let answer = Response::decode(body.clone()).unwrap_or_default();
        let partial = answer.partial_success.unwrap_or_default();
        let refused = u64::try_from(partial.rejected_spans).unwrap_or(0);
        return Answer::Accepted(refused, partial.error_message);
    }
    let text = String::from_utf8_lossy(body);
    let reason = format!("{status}: {}", text.chars().take(200).collect::<String>());
    match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => Answer::Later(reason),
        _ => Answer::Refused(reason),
    }
}

#[cfg(test)]
mod tests;
