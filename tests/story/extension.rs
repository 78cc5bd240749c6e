//! An extension server: it serves the objects of one kind to an API server, which aggregates it.
//!
//! It answers what an API server's aggregator and a watcher ask: discovery, lists and watches.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{RawQuery, State},
    response::{IntoResponse as _, Json, Response},
    routing::get,
};
use futures::{StreamExt as _, stream};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

use crate::support::servers::authority::Issued;

/// What it serves is of this version.
const VERSION: &str = "v1";

/// A running server; dropping it ends it.
pub(super) struct Extension {
    pub(super) port: u16,
    kind: Kind,
    stored: watch::Sender<Stored>,
    _serving: JoinSet<()>,
}

/// The kind that it serves.
#[derive(Clone)]
struct Kind {
    group: String,
    name: &'static str,
    plural: &'static str,
}

impl Kind {
    fn api_version(&self) -> String {
        format!("{}/{VERSION}", self.group)
    }
}

/// The objects by name, and the version of the last write.
#[derive(Clone, Default)]
struct Stored {
    version: u64,
    objects: BTreeMap<String, (u64, Value)>,
}

type Shared = (Kind, watch::Receiver<Stored>);

impl Extension {
    /// Begins to serve, with this certificate.
    pub(super) async fn start(group: &str, issued: &Issued) -> Result<Self> {
        let kind = Kind {
            group: group.to_owned(),
            name: "Gauge",
            plural: "gauges",
        };
        let (stored, reader) = watch::channel(Stored::default());
        let root = format!("/apis/{}", kind.api_version());
        let router = Router::new()
            .route(&root, get(resources))
            .route(&format!("{root}/{}", kind.plural), get(objects))
            .with_state((kind.clone(), reader));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, acceptor(issued)?, router));
        Ok(Self {
            port,
            kind,
            stored,
            _serving: serving,
        })
    }

    /// Writes an object with this status.
    pub(super) fn write(&self, namespace: &str, name: &str, status: &Value) {
        self.stored.send_modify(|stored| {
            stored.version += 1;
            let object = json!({
                "apiVersion": self.kind.api_version(),
                "kind": self.kind.name,
                "metadata": {
                    "name": name, "namespace": namespace, "uid": format!("{namespace}-{name}"),
                    "resourceVersion": stored.version.to_string(), "generation": 1,
                },
                "status": status,
            });
            stored
                .objects
                .insert(name.to_owned(), (stored.version, object));
        });
    }
}

fn acceptor(issued: &Issued) -> Result<TlsAcceptor> {
    let certificate = CertificateDer::from_pem_slice(issued.certificate.as_bytes());
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.context("the certificate")?],
            key.context("the key")?,
        )?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, router: Router) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(router.clone()));
        connections.spawn(async move {
            // Whoever closes a connection early has a reason.
            if let Ok(stream) = acceptor.accept(stream).await {
                let server = Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(stream), service).await;
            }
        });
    }
}

async fn resources(State((kind, _)): State<Shared>) -> Json<Value> {
    Json(json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": kind.api_version(),
        "resources": [{
            "name": kind.plural, "singularName": "gauge", "namespaced": true, "kind": kind.name,
            "verbs": ["get", "list", "watch"],
        }],
    }))
}

async fn objects(State((kind, stored)): State<Shared>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let asked = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find_map(|(key, value)| (key == name).then(|| value.to_owned()))
    };
    if !matches!(asked("watch").as_deref(), Some("true" | "1")) {
        let stored = stored.borrow().clone();
        let items: Vec<Value> = stored
            .objects
            .into_values()
            .map(|(_, object)| object)
            .collect();
        return Json(json!({
            "kind": format!("{}List", kind.name), "apiVersion": kind.api_version(),
            "metadata": {"resourceVersion": stored.version.to_string()}, "items": items,
        }))
        .into_response();
    }
    let from = asked("resourceVersion").and_then(|version| version.parse().ok());
    let changes = stream::unfold((stored, from.unwrap_or(0)), next);
    Body::from_stream(changes.map(Ok::<_, Infallible>)).into_response()
}

/// What has been written after a version, as lines of a watch.
async fn next(
    (mut stored, from): (watch::Receiver<Stored>, u64),
) -> Option<(Bytes, (watch::Receiver<Stored>, u64))> {
    let now = stored.wait_for(|stored| stored.version > from).await;
    let now = now.ok()?.clone();
    let newer = now.objects.values().filter(|(version, _)| *version > from);
    let lines = newer.map(|(_, object)| format!("{{\"type\":\"MODIFIED\",\"object\":{object}}}\n"));
    let lines: String = lines.collect();
    Some((Bytes::from(lines), (stored, now.version)))
}
