//! The source against a scripted API server, for what a real one can't be made to do: an API that comes and goes.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::*;
use crate::runtime::metrics::Metrics;
use crate::wire::event::GroupKind;

/// Far beyond every pause; the clock is paused, so waiting costs nothing.
const PATIENCE: Duration = Duration::from_mins(10);

/// An API server with one contract, and the groups that discovery tells of.
#[derive(Clone, Default)]
struct Server {
    groups: Arc<Mutex<Vec<Value>>>,
    /// How often discovery was asked for.
    looks: Arc<AtomicUsize>,
}

impl Server {
    async fn answer(self, uri: Uri) -> Response {
        let list = |items: &Value| {
            axum::Json(json!({"metadata": {"resourceVersion": "1"}, "items": items}))
                .into_response()
        };
        let watches = uri
            .query()
            .is_some_and(|query| query.contains("watch=true"));
        match uri.path() {
            "/apis" => {
                self.looks.fetch_add(1, Ordering::Relaxed);
                list(&json!(*self.groups.lock().await))
            }
            _ if watches => {
                let silence = futures::stream::pending::<Result<Bytes, Infallible>>();
                Body::from_stream(silence).into_response()
            }
            path if path.ends_with("/conditioncontracts") => list(&json!([contract()])),
            _ => list(&json!([])),
        }
    }

    fn start(&self) -> (queue::Receiver, CancellationToken) {
        let server = self.clone();
        let router = Router::new().fallback(move |uri| server.clone().answer(uri));
        let limits = queue::Limits {
            events: 64,
            bytes: 1 << 20,
        };
        let (sender, events) = queue::open(limits, Metrics::new());
        let shutdown = CancellationToken::new();
        let source = KubeSource::new(Client::new(router, "default"), "fusegate-system");
        tokio::spawn(source.run(sender, shutdown.clone()));
        (events, shutdown)
    }
}

fn contract() -> Value {
    json!({
        "metadata": {"name": "gauges.example.com", "uid": "u", "resourceVersion": "1", "generation": 1},
        "spec": {
            "target": {"group": "example.com", "kind": "Gauge"},
            "conditions": [{"key": "Ready", "type": "Boolean"}],
            "rollback": {"mode": "Off"},
        },
    })
}

fn group() -> Value {
    let gauges = json!({
        "resource": "gauges", "scope": "Cluster", "verbs": ["get", "list", "watch"],
        "responseKind": {"group": "example.com", "version": "v1beta1", "kind": "Gauge"},
    });
    json!({"metadata": {"name": "example.com"}, "versions": [{"version": "v1beta1", "resources": [gauges]}]})
}

/// Reads on until an event is what is waited for; returns that, and those before it.
async fn until<T>(
    events: &mut queue::Receiver,
    pick: impl Fn(&Event) -> Option<T>,
) -> (T, Vec<Event>) {
    let mut before = Vec::new();
    loop {
        let event = tokio::time::timeout(PATIENCE, events.recv()).await;
        let event = event.expect("it did not come").expect("the source ended");
        if let Some(picked) = pick(&event) {
            return (picked, before);
        }
        before.push(event);
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_that_comes_later_is_found_and_one_that_goes_deletes_nothing() {
    let server = Server::default();
    let (mut events, shutdown) = server.start();
    let feed = Feed::Objects(GroupKind::new("example.com", "Gauge"));
    let interrupted = |event: &Event| match event {
        Event::Interrupted(of, why) if *of == feed => Some(why.clone()),
        _ => None,
    };
    let (why, _) = until(&mut events, interrupted).await;
    assert!(why.contains("serves no kind Gauge.example.com"), "{why}");

    server.groups.lock().await.push(group());
    let resource = |event: &Event| match event {
        Event::ApiResource(change) => Some(change.clone()),
        _ => None,
    };
    let (found, _) = until(&mut events, resource).await;
    let Change::Applied(found) = found else {
        panic!("{found:?}")
    };
    assert_eq!((&*found.version, found.namespaced), ("v1beta1", false));
    let confirmed =
        |event: &Event| matches!(event, Event::Confirmed(of) if *of == feed).then_some(());
    until(&mut events, confirmed).await;
    assert!(server.looks.load(Ordering::Relaxed) <= 3);

    server.groups.lock().await.clear();
    let (gone, _) = until(&mut events, resource).await;
    assert!(matches!(gone, Change::Deleted(_)), "{gone:?}");
    let (_, before) = until(&mut events, interrupted).await;
    let listed = |event: &Event| matches!(event, Event::Listed(of) if *of == feed);
    assert!(!before.iter().any(listed), "{before:#?}");
    shutdown.cancel();
}

#[tokio::test(start_paused = true)]
async fn discovery_is_asked_for_at_a_bounded_pace() {
    let server = Server::default();
    server.groups.lock().await.push(group());
    let (mut events, shutdown) = server.start();
    let policies = |event: &Event| matches!(event, Event::Confirmed(Feed::Policies)).then_some(());
    // A feed confirms itself every four seconds.
    for _ in 0..150 {
        until(&mut events, policies).await;
    }
    let looks = server.looks.load(Ordering::Relaxed);
    assert!((9..=13).contains(&looks), "{looks} looks in ten minutes");
    shutdown.cancel();
}
