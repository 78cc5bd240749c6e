//! Waits: a pipeline that asks once, and is answered when the gate passes or told of each change.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use reqwest::{Response, header::ACCEPT};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{store::Place, world::Opening};
use crate::support::http;

const POLICY: &str = "checkout";

/// A stream of server-sent events.
struct Events {
    answer: Response,
    read: String,
}

impl Events {
    async fn open(url: String) -> Result<Self> {
        let asked = http::client()?.get(url).header(ACCEPT, "text/event-stream");
        Ok(Self {
            answer: asked.send().await?.error_for_status()?,
            read: String::new(),
        })
    }

    /// The next event's document; what keeps the connection alive is passed over.
    async fn next(&mut self) -> Result<Value> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.read = rest;
                let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                match data {
                    Some(data) => return Ok(serde_json::from_str(data)?),
                    None => continue,
                }
            }
            let piece = timeout(Duration::from_mins(1), self.answer.chunk()).await??;
            let piece = piece.context("the stream ended")?;
            self.read += &String::from_utf8_lossy(&piece);
        }
    }
}

#[tokio::test]
async fn a_pipeline_that_waits_is_answered_when_the_gate_passes() -> Result<()> {
    let opening = Opening::at(Place::Cluster).policy(POLICY, json!({}));
    let shop = opening.object("front").open().await?;
    let fusegate = shop.store.fusegate();
    let path = format!("v1/gate/{}/{POLICY}", shop.documents.namespace);
    let mut events = Events::open(fusegate.url(&path)).await?;
    ensure!(events.next().await?["state"] == "Closed");
    let trip = shop.trip(POLICY, "front").await?;
    let told = events.next().await?;
    ensure!(
        told["state"] == "Open" && told["tripId"] == trip.as_str(),
        "{told}"
    );
    let (status, _) = fusegate.get(&format!("{path}?wait=1s")).await?;
    ensure!(status == 403, "{status}");
    let waits = format!("{path}?wait=25s");
    let (answer, ordered) = tokio::join!(
        fusegate.get(&waits),
        shop.order("by-hand", POLICY, None, "ForcedClosed"),
    );
    ordered?;
    let (status, body) = answer?;
    ensure!(status == 200, "{status} {body}");
    let told = events.next().await?;
    ensure!(told["state"] == "Closed" && told["override"] == "ForcedClosed");
    Ok(())
}
