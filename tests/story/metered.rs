//! A metered service: requests that come and fail at a rate, counted for a Prometheus to scrape; and a gateway before that Prometheus.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::{get, post},
};
use tokio::{net::TcpListener, task::JoinHandle, time::interval};

use crate::support::{http, servers::ports};

/// The requests of each of these services, ten at a time.
const EVERY: Duration = Duration::from_millis(20);

/// A namespace's services; dropping it ends it.
#[derive(Debug)]
pub(super) struct Metered {
    address: SocketAddr,
    counts: Arc<Counts>,
    tasks: [JoinHandle<()>; 2],
}

#[derive(Debug)]
struct Counts {
    namespace: String,
    services: Vec<String>,
    /// Of a hundred requests to the first service, how many fail.
    failing: AtomicU64,
    requests: AtomicU64,
    failed: AtomicU64,
    /// How many more services there are.
    crowd: AtomicU64,
}

impl Metered {
    /// Services that are all well.
    pub(super) async fn start(namespace: &str, services: &[&str]) -> Result<Self> {
        let listener = TcpListener::bind(ports::loopback(0)).await?;
        let address = listener.local_addr()?;
        let counts = Arc::new(Counts {
            namespace: namespace.to_owned(),
            services: services.iter().map(|&name| name.to_owned()).collect(),
            failing: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            crowd: AtomicU64::new(0),
        });
        let router = Router::new()
            .route("/metrics", get(metrics))
            .with_state(Arc::clone(&counts));
        let serving = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        let counting = tokio::spawn(count(Arc::clone(&counts)));
        Ok(Self {
            address,
            counts,
            tasks: [serving, counting],
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets so many of a hundred requests to the first service fail.
    pub(super) fn fail(&self, percent: u64) {
        self.counts.failing.store(percent, Ordering::Relaxed);
    }

    /// Lets there be so many more services.
    pub(super) fn crowd(&self, services: u64) {
        self.counts.crowd.store(services, Ordering::Relaxed);
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn count(counts: Arc<Counts>) {
    let mut ticks = interval(EVERY);
    loop {
        ticks.tick().await;
        counts.requests.fetch_add(10, Ordering::Relaxed);
        let failed = counts.failing.load(Ordering::Relaxed) / 10;
        counts.failed.fetch_add(failed, Ordering::Relaxed);
    }
}

async fn metrics(State(counts): State<Arc<Counts>>) -> impl IntoResponse {
    let namespace = &counts.namespace;
    let requests = counts.requests.load(Ordering::Relaxed);
    let mut text = "# TYPE http_requests_total counter\n".to_owned();
    let mut service = |name: &str, failed: u64| {
        for (code, count) in [(200, requests - failed), (500, failed)] {
            let _ = writeln!(
                text,
                "http_requests_total{{namespace=\"{namespace}\",app=\"{name}\",code=\"{code}\"}} {count}"
            );
        }
    };
    let failed = counts.failed.load(Ordering::Relaxed);
    for (at, name) in counts.services.iter().enumerate() {
        service(name, if at == 0 { failed } else { 0 });
    }
    for number in 0..counts.crowd.load(Ordering::Relaxed) {
        service(&format!("crowd-{number}"), 0);
    }
    let form = "text/plain; version=0.0.4";
    ([(CONTENT_TYPE, form)], text)
}

/// A gateway before a Prometheus, such as those that ask people to sign in.
#[derive(Debug)]
pub(super) struct Gateway {
    address: SocketAddr,
    state: Arc<Passing>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Passing {
    to: String,
    client: reqwest::Client,
    garbage: AtomicBool,
    queries: AtomicU64,
}

impl Gateway {
    pub(super) async fn to(url: String) -> Result<Self> {
        let listener = TcpListener::bind(ports::loopback(0)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Passing {
            to: url,
            client: http::client()?,
            garbage: AtomicBool::new(false),
            queries: AtomicU64::new(0),
        });
        let router = Router::new()
            .route("/api/v1/query", post(pass))
            .with_state(Arc::clone(&state));
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            state,
            task,
        })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers with a page for people from now on, or no more.
    pub(super) fn answer_garbage(&self, garbage: bool) {
        self.state.garbage.store(garbage, Ordering::Relaxed);
    }

    /// How many queries have come.
    pub(super) fn queries(&self) -> u64 {
        self.state.queries.load(Ordering::Relaxed)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(State(state): State<Arc<Passing>>, form: Bytes) -> impl IntoResponse {
    state.queries.fetch_add(1, Ordering::Relaxed);
    if state.garbage.load(Ordering::Relaxed) {
        return (
            StatusCode::OK,
            Bytes::from_static(b"<html>Please sign in</html>"),
        );
    }
    let asked = state
        .client
        .post(format!("{}/api/v1/query", state.to))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form);
    let answered = async {
        let answer = asked.send().await?;
        let status = answer.status();
        Ok::<_, reqwest::Error>((status, answer.bytes().await?))
    };
    let failed = |error: reqwest::Error| (StatusCode::BAD_GATEWAY, error.to_string().into());
    answered.await.unwrap_or_else(failed)
}
