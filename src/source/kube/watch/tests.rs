//! The watch against a scripted server, for what a real one can't be made to do on demand.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;
use crate::source::kube::slim::SlimObject;

/// Far beyond every pause; the clock is paused, so waiting costs nothing.
const PATIENCE: Duration = Duration::from_mins(10);

/// What the server does, and what it was asked.
struct Script {
    lists: tokio::sync::Mutex<VecDeque<(StatusCode, Value)>>,
    watches: tokio::sync::Mutex<VecDeque<Vec<String>>>,
    probe_hangs: AtomicBool,
    probes: AtomicUsize,
    asked: mpsc::UnboundedSender<String>,
}

struct Server {
    script: Arc<Script>,
    asked: mpsc::UnboundedReceiver<String>,
    watch: Watch<SlimObject>,
}

impl Server {
    fn new(lists: Vec<(StatusCode, Value)>, watches: Vec<Vec<String>>) -> Self {
        let (sender, asked) = mpsc::unbounded_channel();
        let script = Arc::new(Script {
            lists: tokio::sync::Mutex::new(lists.into()),
            watches: tokio::sync::Mutex::new(watches.into()),
            probe_hangs: AtomicBool::new(false),
            probes: AtomicUsize::new(0),
            asked: sender,
        });
        let serving = Arc::clone(&script);
        let router = Router::new().fallback(move |uri: Uri| answer(Arc::clone(&serving), uri));
        let client = Client::new(router, "default");
        let endpoint = Endpoint::everywhere("shop.example.com", "v1", "storefronts");
        let watch = Watch::new(client, endpoint, Arc::new(Semaphore::new(1)), 500);
        Self {
            script,
            asked,
            watch,
        }
    }

    async fn next(&mut self) -> String {
        let update = tokio::time::timeout(PATIENCE, self.watch.next()).await;
        describe(update.expect("no update came"))
    }

    async fn updates(&mut self, count: usize) -> Vec<String> {
        let mut updates = Vec::new();
        for _ in 0..count {
            updates.push(self.next().await);
        }
        updates
    }

    /// Whether the next thing that is asked for, if anything is, has this in it.
    async fn asked_for(&mut self, what: &str) -> bool {
        let asked = tokio::time::timeout(PATIENCE, self.asked.recv()).await;
        asked.is_ok_and(|query| query.is_some_and(|query| query.contains(what)))
    }

    /// What was asked for since the last time, probes apart.
    fn asked(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.asked.try_recv().ok()).collect()
    }
}

async fn answer(script: Arc<Script>, uri: Uri) -> Response {
    let query = uri.query().unwrap_or_default().to_owned();
    if query.contains("limit=1") && !query.contains("limit=1&") && !query.contains("watch") {
        script.probes.fetch_add(1, Ordering::Relaxed);
        if script.probe_hangs.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        return axum::Json(json!({"metadata": {}, "items": []})).into_response();
    }
    let _ = script.asked.send(query.clone());
    if !query.contains("watch=true") {
        let (code, body) = script
            .lists
            .lock()
            .await
            .pop_front()
            .unwrap_or((StatusCode::OK, list("9", &[])));
        return (code, axum::Json(body)).into_response();
    }
    let events = script.watches.lock().await.pop_front().unwrap_or_default();
    let lines = events
        .into_iter()
        .map(|event| Ok::<_, Infallible>(Bytes::from(format!("{event}\n"))));
    Body::from_stream(futures::stream::iter(lines).chain(futures::stream::pending()))
        .into_response()
}

fn describe(update: WatchUpdate<SlimObject>) -> String {
    let name = |item: SlimObject| crate::wire::event::Object::from(item).meta.name;
    match update {
        WatchUpdate::Listing => "Listing".to_owned(),
        WatchUpdate::Applied(item) => format!("Seen {}", name(item)),
        WatchUpdate::Deleted(item) => format!("Gone {}", name(item)),
        WatchUpdate::Listed => "Listed".to_owned(),
        WatchUpdate::Confirmed => "Confirmed".to_owned(),
        WatchUpdate::Interrupted(why) => format!("Interrupted {why}"),
        WatchUpdate::Unreadable(unreadable) => format!("Unreadable {}", unreadable.place),
    }
}

fn object(name: &str, version: &str) -> Value {
    json!({"apiVersion": "shop.example.com/v1", "kind": "Storefront", "metadata": {"name": name, "namespace": "shop", "resourceVersion": version}, "spec": {}})
}

fn list(version: &str, items: &[Value]) -> Value {
    json!({"apiVersion": "shop.example.com/v1", "kind": "StorefrontList", "metadata": {"resourceVersion": version}, "items": items})
}

/// A line of a watch. API servers write the type first, and the reader counts on it.
fn event(kind: &str, object: &Value) -> String {
    format!(r#"{{"type":"{kind}","object":{object}}}"#)
}

fn refusal(code: StatusCode) -> (StatusCode, Value) {
    (
        code,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Because", "message": "no", "code": code.as_u16()}),
    )
}

/// An object whose labels no API server would let through.
fn malformed(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "shop", "resourceVersion": "8", "labels": {"a": [1]}}})
}

#[tokio::test(start_paused = true)]
async fn one_malformed_item_is_named_and_stops_neither_list_nor_watch() {
    let listed = list("5", &[object("a", "1"), malformed("bad"), object("b", "2")]);
    let events = vec![
        event("ADDED", &malformed("worse")),
        event("MODIFIED", &object("a", "6")),
        event("DELETED", &object("b", "7")),
    ];
    let mut server = Server::new(vec![(StatusCode::OK, listed)], vec![events]);
    assert_eq!(
        server.updates(9).await,
        [
            "Listing",
            "Seen a",
            "Unreadable storefronts.shop.example.com shop/bad",
            "Seen b",
            "Listed",
            "Unreadable storefronts.shop.example.com shop/worse",
            "Seen a",
            "Gone b",
            "Confirmed",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn items_of_other_shards_are_passed_over_in_lists_and_watches() {
    let of = |namespace: &str, name: &str| {
        let mut object = object(name, "6");
        object["metadata"]["namespace"] = json!(namespace);
        object
    };
    let mut broken = malformed("theirs");
    broken["metadata"]["namespace"] = json!("bank");
    let listed = list(
        "5",
        &[of("bank", "theirs"), of("shop", "ours"), broken.clone()],
    );
    let events = vec![
        event("ADDED", &of("bank", "theirs")),
        event("MODIFIED", &broken),
        event("MODIFIED", &of("shop", "ours")),
        event("DELETED", &of("bank", "theirs")),
        event("DELETED", &of("shop", "ours")),
    ];
    let mut server = Server::new(vec![(StatusCode::OK, listed)], vec![events]);
    let share = Share::new("2/2".parse().unwrap(), "fusegate-system");
    assert!(share.has("shop") && !share.has("bank"));
    server.watch = server.watch.of(share);
    assert_eq!(
        server.updates(6).await,
        [
            "Listing",
            "Seen ours",
            "Listed",
            "Seen ours",
            "Gone ours",
            "Confirmed"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_expired_watch_is_said_and_listed_anew() {
    let expired = json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"});
    let mut server = Server::new(
        vec![(StatusCode::OK, list("5", &[]))],
        vec![vec![event("ERROR", &expired)]],
    );
    let updates = server.updates(6).await;
    assert!(
        updates[2]
            .starts_with("Interrupted the watch on storefronts.shop.example.com has expired (410)"),
        "{updates:?}"
    );
    assert_eq!(
        [
            &updates[0],
            &updates[1],
            &updates[3],
            &updates[4],
            &updates[5]
        ],
        ["Listing", "Listed", "Listing", "Listed", "Confirmed"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_said_once_however_often_it_comes_and_heals_by_itself() {
    let refusals = (0..20).map(|_| refusal(StatusCode::FORBIDDEN)).collect();
    let mut server = Server::new(refusals, Vec::new());
    let updates = server.updates(4).await;
    assert!(
        updates[0].contains("(403)") && updates[0].contains("grant"),
        "{updates:?}"
    );
    assert_eq!(updates[1..], ["Listing", "Listed", "Confirmed"]);
    assert_eq!(server.asked().len(), 22);
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_probe_interrupts_an_open_watch_in_eight_seconds() {
    let mut server = Server::new(vec![(StatusCode::OK, list("5", &[]))], vec![Vec::new()]);
    assert_eq!(server.updates(3).await, ["Listing", "Listed", "Confirmed"]);
    server.script.probe_hangs.store(true, Ordering::Relaxed);
    let before = tokio::time::Instant::now();
    let why = server.next().await;
    assert!(
        why.contains("did not answer") && why.contains("etcd"),
        "{why}"
    );
    assert!(
        before.elapsed() <= Duration::from_secs(8),
        "{:?}",
        before.elapsed()
    );
    server.script.probe_hangs.store(false, Ordering::Relaxed);
    let before = tokio::time::Instant::now();
    assert_eq!(server.next().await, "Confirmed");
    assert!(
        before.elapsed() <= Duration::from_secs(2),
        "{:?}",
        before.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_never_ends_is_renewed_from_where_it_had_come() {
    let bookmark = event(
        "BOOKMARK",
        &json!({"kind": "Storefront", "apiVersion": "shop.example.com/v1", "metadata": {"resourceVersion": "77"}}),
    );
    let mut server = Server::new(
        vec![(StatusCode::OK, list("5", &[]))],
        vec![vec![bookmark], vec![event("ADDED", &object("a", "78"))]],
    );
    let mut updates = server.updates(2).await;
    while updates.last().is_some_and(|update| update != "Seen a") && updates.len() < 50 {
        updates.push(server.next().await);
    }
    assert_eq!(
        updates.last().map(String::as_str),
        Some("Seen a"),
        "{updates:?}"
    );
    assert!(
        !updates
            .iter()
            .any(|update| update.starts_with("Interrupted")),
        "{updates:?}"
    );
    let asked = server.asked();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked[1].contains("resourceVersion=5"), "{asked:?}");
    assert!(asked[2].contains("resourceVersion=77"), "{asked:?}");
}

#[tokio::test(start_paused = true)]
async fn pages_follow_their_token_and_one_that_expires_begins_the_list_anew() {
    let mut first = list("5", &[object("a", "1")]);
    first["metadata"]["continue"] = json!("next");
    let last = list("6", &[object("b", "2")]);
    let lists = vec![
        (StatusCode::OK, first.clone()),
        refusal(StatusCode::GONE),
        (StatusCode::OK, first),
        (StatusCode::OK, last),
    ];
    let mut server = Server::new(lists, Vec::new());
    let updates = server.updates(7).await;
    assert_eq!(updates[..2], ["Listing", "Seen a"]);
    assert!(updates[2].contains("(410)"), "{updates:?}");
    assert_eq!(updates[3..], ["Listing", "Seen a", "Seen b", "Listed"]);
    assert!(server.asked()[3].contains("continue=next"));
}

#[tokio::test(start_paused = true)]
async fn the_next_page_is_fetched_while_one_is_handed_over_and_no_further_one() {
    let page = |name: &str, token: &str| {
        let mut page = list("5", &[object(name, "1")]);
        page["metadata"]["continue"] = json!(token);
        (StatusCode::OK, page)
    };
    let lists = vec![page("a", "second"), page("b", "third"), page("c", "")];
    let mut server = Server::new(lists, Vec::new());
    assert_eq!(server.next().await, "Listing");
    assert!(server.asked_for("limit=50").await);
    // The list's first item has not even been taken.
    assert!(server.asked_for("continue=second").await);
    assert!(!server.asked_for("continue=third").await);
    assert_eq!(
        server.updates(4).await,
        ["Seen a", "Seen b", "Seen c", "Listed"]
    );
}
