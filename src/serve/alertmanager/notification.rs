//! A notification: what Alertmanager posts to a webhook, as far as it matters here.
//!
//! Source: Alertmanager, "Webhook receiver", version 4. It adds fields over time, so those not named here are ignored.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

/// What is posted: a group of alerts.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Notification {
    pub(super) version: String,
    #[serde(default)]
    pub(super) receiver: String,
    /// How many alerts of the group were left out, by the receiver's `max_alerts`.
    #[serde(default)]
    pub(super) truncated_alerts: u64,
    pub(super) alerts: Vec<Alert>,
}

/// An alert, in a notification or as Alertmanager's API lists it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alert {
    /// `firing` or `resolved` in a notification; an object where the API lists it.
    pub(super) status: Value,
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) starts_at: Timestamp,
    /// A hash of the labels.
    pub(super) fingerprint: String,
}

impl Alert {
    /// Its `alertname`.
    pub(super) fn name(&self) -> &str {
        self.labels.get("alertname").map_or("", String::as_str)
    }

    /// Whether it fires. The API is asked for no other.
    pub(super) fn fires(&self) -> bool {
        self.status != "resolved"
    }
}
