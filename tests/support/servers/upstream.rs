//! An upstream: a small HTTP server behind Envoy, which counts its requests and answers as told.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use axum::{Router, extract::State, http::StatusCode};
use tokio::{net::TcpListener, task::JoinHandle, time::sleep};

use super::ports;

/// A running upstream; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: SocketAddr,
    answers: Arc<Answers>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Answers {
    requests: AtomicU64,
    status: AtomicU16,
    latency_ms: AtomicU64,
}

impl Upstream {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind(ports::loopback(0)).await?;
        let address = listener.local_addr()?;
        let answers = Arc::new(Answers {
            requests: AtomicU64::new(0),
            status: AtomicU16::new(200),
            latency_ms: AtomicU64::new(0),
        });
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&answers));
        let task = tokio::spawn(async move {
            // It serves until it is aborted, and a connection's error is that connection's own.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            address,
            answers,
            task,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests have come since it was started.
    pub(crate) fn requests(&self) -> u64 {
        self.answers.requests.load(Ordering::Relaxed)
    }

    /// The status that requests are answered with from now on; 200 at first.
    pub(crate) fn set_status(&self, status: StatusCode) {
        self.answers
            .status
            .store(status.as_u16(), Ordering::Relaxed);
    }

    /// How long requests wait for their answer from now on; not at all at first.
    pub(crate) fn set_latency(&self, latency: Duration) {
        let latency_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
        self.answers.latency_ms.store(latency_ms, Ordering::Relaxed);
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(answers): State<Arc<Answers>>) -> (StatusCode, &'static str) {
    answers.requests.fetch_add(1, Ordering::Relaxed);
    let latency_ms = answers.latency_ms.load(Ordering::Relaxed);
    if latency_ms > 0 {
        sleep(Duration::from_millis(latency_ms)).await;
    }
    let status = StatusCode::from_u16(answers.status.load(Ordering::Relaxed));
    (status.unwrap_or(StatusCode::OK), "upstream\n")
}
