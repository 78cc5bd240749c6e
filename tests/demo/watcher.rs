//! The watcher: fusegate's own live view of the circuit, asked again and again, and told when it changes.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::Client;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::interval;

use crate::harness::support::http;
use crate::timeline::Timeline;

const EVERY: Duration = Duration::from_millis(30);

/// A running watcher; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Watcher {
    told: watch::Receiver<Value>,
    task: JoinHandle<()>,
}

impl Watcher {
    /// Watches the circuit of one object.
    pub(crate) fn start(
        circuits: String,
        object: &'static str,
        timeline: Timeline,
    ) -> Result<Self> {
        let client = http::client()?;
        let (tell, told) = watch::channel(Value::Null);
        let task = tokio::spawn(async move {
            let mut ticks = interval(EVERY);
            let mut seen = Seen::default();
            loop {
                ticks.tick().await;
                // What can't be asked now is asked again in a moment; a stage's deadline tells if it stays so.
                if let Ok(circuit) = circuit(&client, &circuits, object).await {
                    seen.tell(&circuit, &timeline);
                    tell.send_replace(circuit);
                }
            }
        });
        Ok(Self { told, task })
    }

    /// The circuit as it was told last, so that the story never runs ahead of the timeline.
    pub(crate) fn told(&self) -> Value {
        self.told.borrow().clone()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One circuit as `/v1/circuits` shows it.
async fn circuit(client: &Client, circuits: &str, object: &str) -> Result<Value> {
    let page: Value = client.get(circuits).send().await?.json().await?;
    let items = page["items"].as_array().context("no list of circuits")?;
    let found = items.iter().find(|circuit| circuit["object"] == object);
    found
        .cloned()
        .with_context(|| format!("no circuit of {object} in {page}"))
}

#[derive(Debug, Default)]
struct Seen {
    state: String,
    admitted: u64,
    sample: String,
    class: String,
}

impl Seen {
    fn tell(&mut self, circuit: &Value, timeline: &Timeline) {
        self.tell_sample(circuit, timeline);
        let state = circuit["state"].as_str().unwrap_or("?");
        let admitted = circuit["admitPercent"].as_u64().unwrap_or(0);
        if (state, admitted) == (&self.state, self.admitted) {
            return;
        }
        let until = circuit["until"]
            .as_str()
            .map_or_else(String::new, |until| format!(", until {until}"));
        let told = match state {
            "Open" => format!(
                "circuit OPEN: trip {}, cause {}{until}",
                circuit["tripId"].as_str().unwrap_or("?"),
                circuit["cause"].as_str().unwrap_or("?"),
            ),
            "HalfOpen" => format!("circuit HALF-OPEN: {admitted} % of the traffic is let through"),
            _ if self.state.is_empty() => format!("circuit {state}"),
            _ => "circuit CLOSED: all of the traffic is let through".to_owned(),
        };
        timeline.tell("fusegate", told);
        (self.state, self.admitted) = (state.to_owned(), admitted);
    }

    /// Every Bad sample while Closed, every one while probing, and else the first of each class.
    fn tell_sample(&mut self, circuit: &Value, timeline: &Timeline) {
        let rule = &circuit["rules"][0];
        let class = rule["class"].as_str().unwrap_or("none");
        let sample = format!("{}{class}{}", rule["value"], rule["streak"]);
        if sample == self.sample || class == "none" {
            return;
        }
        // The sample that trips is the last one of its streak, which is over with it.
        let trips = class == "Bad" && self.state == "Closed" && circuit["state"] == "Open";
        let of_interest = match circuit["state"].as_str() {
            Some("HalfOpen") => true,
            Some("Closed") => class == "Bad",
            _ => trips,
        };
        if of_interest || class != self.class {
            let value = rule["value"]
                .as_f64()
                .map_or_else(|| "?".to_owned(), |ms| format!("{ms} ms"));
            let streak = match (class, rule["streak"].as_u64()) {
                _ if trips => ", streak 3 of 3".to_owned(),
                ("Bad", Some(streak)) if streak > 0 => format!(", streak {streak} of 3"),
                _ => String::new(),
            };
            timeline.tell(
                "sample",
                format!("network-latency of checkout is {value}: {class}{streak}"),
            );
        }
        (self.sample, self.class) = (sample, class.to_owned());
    }
}
