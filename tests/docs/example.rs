//! The example: the view that the pages' answers are about, and the exchanges they show.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use fusegate::runtime::clock::Clock;
use fusegate::runtime::memory::pressure::Memory;
use fusegate::runtime::metrics::{Bound, Metrics};
use fusegate::serve::access::{Access, Pace, SharedTokens};
use fusegate::serve::alertmanager::{Desk, Ledger};
use fusegate::serve::counters::Counters;
use fusegate::serve::history::SharedHistory;
use fusegate::serve::installation::Installation;
use fusegate::serve::notice::Notices;
use fusegate::serve::proxies::{Behind, Name, Proxy, Refusal, Type, Version};
use fusegate::serve::server::router;
use fusegate::serve::state::{Heartbeat, ServeState};
use fusegate::serve::top::SharedTop;
use fusegate::serve::waiters::Waiters;
use http_body_util::BodyExt;
use serde_json::Value as Json;
use tokio::sync::watch;
use tower::ServiceExt;

use super::blocks::Block;
use super::moment;

/// What a gate answers from, at the moment that the pages show.
pub(super) fn state() -> ServeState {
    let clock = Clock::start();
    let now = clock.now().mono;
    let metrics = Metrics::new();
    ServeState {
        view: Arc::new(ArcSwap::from_pointee(moment::view(now))),
        clock,
        heartbeat: Heartbeat::start(now),
        access: Access {
            tokens: SharedTokens::default(),
            pace: Pace::new(0, &metrics),
        },
        counters: Counters::new(&metrics),
        notices: Notices::open(metrics.bound(Bound::GateNotices)).0,
        waiters: Waiters::new(watch::channel(()).1),
        bounds: Arc::new(Vec::new),
        skipped: Arc::new(Vec::new),
        desk: Desk {
            give: Arc::new(|_| Box::pin(std::future::ready(Ok(())))),
            list: Arc::new(|_| Box::pin(std::future::ready(Err("there is none".to_owned())))),
            ledger: Ledger::new(&metrics),
        },
        proxies: Arc::new(|_| vec![proxy()]),
        history: SharedHistory::default(),
        installation: Arc::new(Installation::default()),
        memory: watch::channel(Memory::default()).1,
        top: SharedTop::default(),
        metrics: Arc::new(String::new),
    }
}

/// An Envoy that refuses what it was sent last.
fn proxy() -> Proxy {
    let version = |version: &str, time: &str| Version {
        version: version.into(),
        time: Some(time.into()),
    };
    let (first, second) = (
        "7a3f9c21d4e8b605e5b80f4c6a1d9372",
        "c04d1be7f2a9683519c7d36e0b5fa284",
    );
    let name = Name {
        name: "shop".into(),
        permitted: true,
        published: Some("e5b80f4c6a1d93727a3f9c21d4e8b605".into()),
        sent: Some("e5b80f4c6a1d93727a3f9c21d4e8b605".into()),
        acked: Some("19c7d36e0b5fa284c04d1be7f2a96835".into()),
        nacked: Some("e5b80f4c6a1d93727a3f9c21d4e8b605".into()),
    };
    let layers = Type {
        name: "envoy.service.runtime.v3.Runtime".into(),
        wildcard: false,
        subscribed: 1,
        names: vec![name],
        sent: Some(version(second, "2026-11-22T14:05:00.004Z")),
        acked: Some(version(first, "2026-11-22T13:58:10.612Z")),
        nacked: Some(Refusal {
            version: second.into(),
            time: Some("2026-11-22T14:05:00.009Z".into()),
            code: 13,
            message: "Runtime shop: invalid runtime entry value for checkout".into(),
        }),
        behind: Behind {
            names: 1,
            versions: 1,
            seconds: 42,
        },
    };
    Proxy {
        stream: 7,
        node: "edge-1".into(),
        cluster: "edge".into(),
        user_agent: "envoy 1.40.0".into(),
        locality: "eu/eu-1".into(),
        address: Some("10.0.3.17:51844".into()),
        certificate: Some("spiffe://example.com/ns/shop/sa/edge".into()),
        transport: "delta-ads".into(),
        connected_since: Some("2026-11-22T13:58:10.530Z".into()),
        types: vec![layers],
    }
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    content_type: String,
    body: String,
}

pub(super) async fn ask(state: &ServeState, method: &str, path: &str, body: &str) -> Answer {
    let request = Request::builder().method(method).uri(path);
    send(
        state,
        request.body(Body::from(body.to_owned())).expect(path),
    )
    .await
}

async fn send(state: &ServeState, request: Request<Body>) -> Answer {
    let response = router(state.clone())
        .oneshot(request)
        .await
        .expect("the router is infallible");
    let content_type = response.headers().get("content-type");
    Answer {
        status: response.status(),
        content_type: content_type
            .map_or("", |value| value.to_str().unwrap())
            .to_owned(),
        body: {
            let bytes = response.into_body().collect().await.unwrap().to_bytes();
            String::from_utf8(bytes.to_vec()).unwrap()
        },
    }
}

/// A request and the answer to it, as a page shows them.
pub(super) struct Exchange {
    place: String,
    request: Request<Body>,
    status: u16,
    content_type: String,
    body: String,
}

impl Exchange {
    /// Reads `METHOD path HTTP/1.1`, headers, a body, and the same of the answer.
    pub(super) fn parse(block: &Block) -> Self {
        let (asked, answered) = block.text.split_once("HTTP/1.1 ").expect(&block.place);
        // The request line ends in the protocol, so the first match is its own.
        let (asked, answered) = match answered.split_once("\nHTTP/1.1 ") {
            Some((rest, answered)) => (format!("{asked}HTTP/1.1 {rest}"), answered),
            None => (asked.to_owned(), answered),
        };
        let (head, body) = asked.split_once("\n\n").unwrap_or((&asked, ""));
        let mut lines = head.lines();
        let mut words = lines.next().expect(&block.place).split(' ');
        let (method, path) = (words.next().unwrap(), words.next().expect(&block.place));
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            request = request.header(name, value);
        }
        let (status, rest) = answered.split_once('\n').expect(&block.place);
        let (headers, expected) = rest.split_once("\n\n").expect(&block.place);
        Self {
            place: block.place.clone(),
            request: request
                .body(Body::from(body.trim().to_owned()))
                .expect(&block.place),
            status: status[..3].parse().expect(&block.place),
            content_type: headers.trim_start_matches("content-type: ").to_owned(),
            body: expected.to_owned(),
        }
    }

    /// Asks, and compares.
    pub(super) async fn hold(self, state: &ServeState) {
        let answer = send(state, self.request).await;
        assert_eq!(
            answer.status.as_u16(),
            self.status,
            "{}: {}",
            self.place,
            answer.body
        );
        assert_eq!(answer.content_type, self.content_type, "{}", self.place);
        if self.content_type == "application/json" {
            let shown: Json = serde_json::from_str(&self.body).expect(&self.place);
            let given: Json = serde_json::from_str(&answer.body).expect(&self.place);
            assert_eq!(given, shown, "{}", self.place);
        } else {
            // Hooks of other tools get their reason without the line break that ends a block.
            assert_eq!(
                answer.body.trim_end(),
                self.body.trim_end(),
                "{}",
                self.place
            );
        }
    }
}

/// Paths and queries of every `url` that points at fusegate, templates of other tools filled in.
pub(super) fn collect_urls(document: &Json, into: &mut BTreeSet<String>) {
    match document {
        Json::Object(fields) => {
            if let Some(Json::String(url)) = fields.get("url") {
                let rest = url
                    .split_once(":8080")
                    .map(|(_, rest)| rest)
                    .unwrap_or_default();
                let filled = rest
                    .replace("{{args.policy}}", "checkout")
                    .replace("{{args.rollout}}", "checkout")
                    .replace("{{args.object}}", "")
                    .replace("{{args.since}}", "");
                into.extend((!filled.is_empty()).then_some(filled));
            }
            fields.values().for_each(|field| collect_urls(field, into));
        }
        Json::Array(items) => items.iter().for_each(|item| collect_urls(item, into)),
        _ => {}
    }
}
