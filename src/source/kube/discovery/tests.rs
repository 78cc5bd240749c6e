//! Discovery against a scripted server: versions, scopes, and how often the documents are sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::*;

/// A server, its present document of `/apis`, and how often a document was sent whole.
#[derive(Clone)]
struct Server {
    apis: Arc<Mutex<Value>>,
    sent: Arc<AtomicUsize>,
}

impl Server {
    fn new() -> Self {
        let widgets = |version: &str, verbs: Value| json!({"version": version, "resources": [resource("widgets", "Widget", "Cluster", verbs)]});
        let watchable = json!(["get", "list", "watch"]);
        Self {
            apis: Arc::new(Mutex::new(json!({"items": [
                {"metadata": {"name": "apps"}, "versions": [
                    {"version": "v1", "resources": [resource("deployments", "Deployment", "Namespaced", watchable.clone())]},
                ]},
                {"metadata": {"name": "widgets.example.com"}, "versions": [
                    widgets("v2", json!(["create"])),
                    widgets("v1", watchable),
                ]},
                {"metadata": {"name": "authorization.k8s.io"}, "versions": [
                    {"version": "v1", "resources": [resource("reviews", "Review", "Cluster", json!(["create"]))]},
                ]},
            ]}))),
            sent: Arc::default(),
        }
    }

    fn discovery(&self) -> Discovery {
        let server = self.clone();
        let answer = move |uri: Uri, headers: HeaderMap| {
            let server = server.clone();
            async move { server.answer(&uri, &headers).await }
        };
        Discovery::new(Client::new(Router::new().fallback(answer), "default"))
    }

    async fn answer(&self, uri: &Uri, headers: &HeaderMap) -> Response {
        let document = match uri.path() {
            "/api" => json!({"items": [{"metadata": {"name": ""}, "versions": [
                {"version": "v1", "resources": [resource("nodes", "Node", "Cluster", json!(["list", "watch"]))]},
            ]}]}),
            _ => self.apis.lock().await.clone(),
        };
        let text = document.to_string();
        let tag = format!("\"{}\"", twox_hash::XxHash3_64::oneshot(text.as_bytes()));
        if headers
            .get("if-none-match")
            .is_some_and(|known| *known == tag)
        {
            return StatusCode::NOT_MODIFIED.into_response();
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        ([("etag", tag)], text).into_response()
    }
}

fn resource(plural: &str, kind: &str, scope: &str, verbs: Value) -> Value {
    let mut resource = json!({"resource": plural, "responseKind": {"group": "", "version": "", "kind": kind}, "scope": scope});
    resource["verbs"] = verbs;
    resource
}

fn kind(group: &str, kind: &str) -> GroupKind {
    GroupKind::new(group, kind)
}

async fn look(server: &Server, wanted: &[GroupKind]) -> Discovery {
    let mut discovery = server.discovery();
    discovery
        .look(wanted.iter().cloned().collect())
        .await
        .unwrap();
    discovery
}

#[tokio::test]
async fn a_kind_is_found_in_its_preferred_version_that_can_be_watched() {
    let wanted = [
        kind("apps", "Deployment"),
        kind("", "Node"),
        kind("widgets.example.com", "Widget"),
    ];
    let discovery = look(&Server::new(), &wanted).await;
    let served = |index: usize, version: &str, namespaced, plural| {
        let target: &GroupKind = &wanted[index];
        let endpoint = Endpoint::everywhere(&target.group, version, plural);
        let resource = ApiResource {
            target: target.clone(),
            version: version.into(),
            plural: plural.into(),
            namespaced,
        };
        Found::Served(resource, endpoint)
    };
    assert_eq!(
        discovery.find(&wanted[0], None),
        served(0, "v1", true, "deployments")
    );
    assert_eq!(
        discovery.find(&wanted[1], None),
        served(1, "v1", false, "nodes")
    );
    assert_eq!(
        discovery.find(&wanted[2], None),
        served(2, "v1", false, "widgets")
    );
    assert_eq!(
        discovery.find(&kind("apps", "Missing"), None),
        Found::Absent
    );
}

#[tokio::test]
async fn a_kind_that_can_t_be_watched_says_why() {
    let (widget, review) = (
        kind("widgets.example.com", "Widget"),
        kind("authorization.k8s.io", "Review"),
    );
    let discovery = look(&Server::new(), &[widget.clone(), review.clone()]).await;
    let why = |found| match found {
        Found::Unwatchable(_, why) => why,
        found => panic!("{found:?}"),
    };
    let unwatchable = why(discovery.find(&review, None));
    assert!(
        unwatchable.contains("can't list and watch"),
        "{unwatchable}"
    );
    let unwatchable = why(discovery.find(&widget, Some("v2")));
    assert!(
        unwatchable.contains("can't list and watch"),
        "{unwatchable}"
    );
    let unserved = why(discovery.find(&widget, Some("v3")));
    assert!(
        unserved.contains("not served in version v3; name v2 or v1"),
        "{unserved}"
    );
}

#[tokio::test]
async fn documents_are_sent_whole_only_when_they_changed_or_more_is_wanted() {
    let server = Server::new();
    let (deployment, gauge) = (
        kind("apps", "Deployment"),
        kind("gauges.example.com", "Gauge"),
    );
    let wanted = BTreeSet::from([deployment, gauge.clone()]);
    let mut discovery = server.discovery();
    for _ in 0..3 {
        discovery.look(wanted.clone()).await.unwrap();
    }
    assert_eq!(server.sent.load(Ordering::Relaxed), 2);
    assert_eq!(discovery.find(&gauge, None), Found::Absent);

    let gauges = resource("gauges", "Gauge", "Namespaced", json!(["list", "watch"]));
    let group = json!({"metadata": {"name": "gauges.example.com"}, "versions": [{"version": "v1beta1", "resources": [gauges]}]});
    server.apis.lock().await["items"]
        .as_array_mut()
        .unwrap()
        .push(group);
    discovery.look(wanted).await.unwrap();
    assert_eq!(server.sent.load(Ordering::Relaxed), 3);
    assert!(matches!(discovery.find(&gauge, None), Found::Served(..)));

    let node = kind("", "Node");
    discovery
        .look(BTreeSet::from([node.clone()]))
        .await
        .unwrap();
    assert_eq!(server.sent.load(Ordering::Relaxed), 5);
    assert!(matches!(discovery.find(&node, None), Found::Served(..)));
}
