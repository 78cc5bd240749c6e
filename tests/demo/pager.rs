//! The pager: a webhook that Alertmanager notifies, in place of the SRE's telephone.

use std::net::SocketAddr;

use anyhow::Result;
use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::harness::support::servers::ports;
use crate::timeline::Timeline;

/// A running pager; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Pager {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Pager {
    pub(crate) async fn start(timeline: Timeline) -> Result<Self> {
        let listener = TcpListener::bind(ports::loopback(0)).await?;
        let address = listener.local_addr()?;
        let router = Router::new().fallback(post(ring)).with_state(timeline);
        let task = tokio::spawn(async move {
            // It serves until it is aborted, and a connection's error is that connection's own.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, task })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn ring(State(timeline): State<Timeline>, Json(notification): Json<Value>) {
    let alerts = notification["alerts"].as_array().cloned();
    for alert in alerts.unwrap_or_default() {
        let text = |field: &str| {
            alert
                .pointer(field)
                .and_then(Value::as_str)
                .unwrap_or("?")
                .to_owned()
        };
        let (status, name) = (text("/status"), text("/labels/alertname"));
        let severity = text("/labels/severity");
        let summary = text("/annotations/summary");
        let told = match status.as_str() {
            "resolved" => format!("RESOLVED {name} ({severity})"),
            _ => format!("FIRING {name} ({severity})\n{summary}"),
        };
        timeline.tell("pager", told);
    }
}
