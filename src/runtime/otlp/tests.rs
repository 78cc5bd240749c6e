//! Spans on their way to collectors that take them, refuse them, are away, and come back.

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::*;
use crate::runtime::sampler::TraceId;

/// A collector, what it answers, and what it was sent.
struct Collector {
    url: ServerUrl,
    answer: watch::Sender<(u16, Vec<u8>)>,
    requests: mpsc::Receiver<(HeaderMap, Request)>,
}

type Asked = (
    watch::Receiver<(u16, Vec<u8>)>,
    mpsc::Sender<(HeaderMap, Request)>,
);

impl Collector {
    async fn start() -> Self {
        let (answer, answers) = watch::channel((200, Vec::new()));
        let (asked, requests) = mpsc::channel(64);
        let take =
            async |State((answers, asked)): State<Asked>, headers: HeaderMap, body: Bytes| {
                let request = Request::decode(body).unwrap();
                asked.send((headers, request)).await.unwrap();
                let (status, body) = answers.borrow().clone();
                (StatusCode::from_u16(status).unwrap(), body)
            };
        let router = Router::new().route(TRACES, post(take));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://me:secret@{}", listener.local_addr().unwrap());
        let router = router.with_state((answers, asked));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            url: url.parse().unwrap(),
            answer,
            requests,
        }
    }

    /// The names of the spans of the next request.
    async fn next(&mut self) -> Vec<String> {
        let (headers, request) = self.requests.recv().await.unwrap();
        assert_eq!(headers["content-type"], "application/x-protobuf");
        assert_eq!(headers["authorization"], "Basic bWU6c2VjcmV0");
        let of_program = &request.resource_spans[0];
        let attribute = &of_program.resource.as_ref().unwrap().attributes[0];
        assert_eq!(attribute.key, "service.name");
        let spans = of_program.scope_spans[0].spans.iter();
        spans.map(|span| span.name.clone()).collect()
    }
}

fn begin(url: ServerUrl) -> (Metrics, Spans, Exporter) {
    let metrics = Metrics::new();
    let resource = vec![("service.name", "fusegate".to_owned())];
    let (spans, exporter) = start(url, resource, Clock::start(), &metrics).unwrap();
    (metrics, spans, exporter)
}

fn span(spans: &Spans, name: &'static str) -> Span {
    Span {
        trace: TraceId::of("u1", "1"),
        id: spans.id(),
        parent: None,
        name,
        kind: Kind::Internal,
        start: Duration::ZERO,
        end: Duration::ZERO,
        attributes: vec![("count", 3_u64.into())],
        events: Vec::new(),
        error: None,
    }
}

/// Waits until so many spans are counted as sent, and as refused.
async fn counted(metrics: &Metrics, sent: u64, refused: u64) {
    let count = |result| {
        let label = SpanLabel { result };
        metrics.traces.spans.get_or_create(&label).get()
    };
    while (count(SpanResult::Sent), count(SpanResult::Refused)) != (sent, refused) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn spans_that_come_together_go_together() {
    let mut collector = Collector::start().await;
    let (metrics, spans, exporter) = begin(collector.url.clone());
    for name in ["queue", "decide"] {
        spans.send(span(&spans, name));
    }
    assert_eq!(collector.next().await, ["queue", "decide"]);
    counted(&metrics, 2, 0).await;
    // The last ones do not wait for others.
    spans.send(span(&spans, "publish"));
    exporter.drain(Instant::now() + WITHIN).await;
    assert_eq!(collector.next().await, ["publish"]);
    counted(&metrics, 3, 0).await;
}

#[tokio::test]
async fn what_a_collector_cannot_take_is_sent_again_and_what_it_refuses_is_not() {
    let mut collector = Collector::start().await;
    let (metrics, spans, _exporter) = begin(collector.url.clone());
    collector.answer.send_replace((503, Vec::new()));
    spans.send(span(&spans, "a"));
    assert_eq!(collector.next().await, ["a"]);
    collector.answer.send_replace((200, Vec::new()));
    assert_eq!(collector.next().await, ["a"]);
    counted(&metrics, 1, 0).await;
    collector.answer.send_replace((400, b"no".to_vec()));
    spans.send(span(&spans, "b"));
    assert_eq!(collector.next().await, ["b"]);
    counted(&metrics, 1, 1).await;
    let partial = Response {
        partial_success: Some(message::PartialSuccess {
            rejected_spans: 1,
            error_message: "too old".to_owned(),
        }),
    };
    collector
        .answer
        .send_replace((200, partial.encode_to_vec()));
    for name in ["c", "d"] {
        spans.send(span(&spans, name));
    }
    assert_eq!(collector.next().await, ["c", "d"]);
    counted(&metrics, 2, 2).await;
}

#[tokio::test]
async fn a_collector_that_is_away_delays_nobody_and_the_rest_is_counted() {
    let (metrics, spans, exporter) = begin("http://127.0.0.1:9".parse().unwrap());
    let most = MOST_SPANS + MOST_TOGETHER;
    for _ in 0..most + 100 {
        spans.send(span(&spans, "a"));
    }
    let dropped = metrics.bound(Bound::TraceSpans).get();
    assert!(
        (100..=100 + MOST_TOGETHER as u64).contains(&dropped),
        "{dropped}"
    );
    let waiting = metrics.bound_size(Bound::TraceSpans).get();
    assert!(waiting <= i64::try_from(MOST_SPANS).unwrap(), "{waiting}");
    exporter
        .drain(Instant::now() + Duration::from_millis(10))
        .await;
}

#[test]
fn no_two_spans_have_one_id() {
    let spans = |seed| channel(seed, &Metrics::new()).0;
    let (one, other) = (spans(1), spans(2));
    assert_ne!(one.id(), one.id());
    assert_ne!(spans(1).id(), other.id());
}
