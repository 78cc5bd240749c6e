//! An Alertmanager with a route of its own: alerts in through its API, out to a webhook if one is given.

use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::Client;
use serde_json::{Value, json};

use super::super::{http, scratch::Scratch};
use super::{
    assets, ports,
    process::{Process, Program},
};

const READY_WITHIN: Duration = Duration::from_mins(1);

/// How an Alertmanager is set up.
#[derive(Clone, Debug)]
pub(crate) struct AlertmanagerConfig {
    /// Where notifications are posted; nowhere when absent.
    pub(crate) webhook: Option<String>,
    /// How long the first notification of a group waits for others.
    pub(crate) group_wait: Duration,
    /// How long a changed group waits for its next notification.
    pub(crate) group_interval: Duration,
}

impl Default for AlertmanagerConfig {
    fn default() -> Self {
        Self {
            webhook: None,
            group_wait: Duration::from_millis(10),
            group_interval: Duration::from_secs(1),
        }
    }
}

/// A running Alertmanager; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Alertmanager {
    process: Process,
    program: Program,
    port: u16,
    http: Client,
    _scratch: Scratch,
}

impl Alertmanager {
    pub(crate) async fn start(config: AlertmanagerConfig) -> Result<Self> {
        ports::retrying(async || Self::try_start(&config).await).await
    }

    async fn try_start(config: &AlertmanagerConfig) -> Result<Self> {
        let scratch = Scratch::new("alertmanager")?;
        let port = ports::free()?;
        let file = scratch.write("alertmanager.yml", routes(config).to_string())?;
        let program = Program {
            name: "alertmanager",
            path: assets::program("alertmanager")?,
            args: vec![
                format!("--config.file={}", file.display()),
                format!("--storage.path={}", scratch.path().join("data").display()),
                format!("--web.listen-address={}", ports::loopback(port)),
                // Empty: it forms no cluster, whose port would clash with the next one's.
                "--cluster.listen-address=".to_owned(),
            ],
            env: Vec::new(),
            log: scratch.path().join("alertmanager.log"),
        };
        let mut alertmanager = Self {
            process: Process::start(&program)?,
            program,
            port,
            http: http::client()?,
            _scratch: scratch,
        };
        alertmanager.ready().await?;
        Ok(alertmanager)
    }

    async fn ready(&mut self) -> Result<()> {
        let url = format!("{}/-/ready", self.url());
        let http = &self.http;
        self.process
            .ready(READY_WITHIN, async || {
                http.get(&url).send().await?.error_for_status()?;
                Ok(())
            })
            .await
    }

    /// The address that clients are given.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", ports::loopback(self.port))
    }

    /// All alerts that it holds and that have not ended, as its API v2 shows them.
    pub(crate) async fn alerts(&self) -> Result<Vec<Value>> {
        self.alerts_with(&[]).await
    }

    /// The alerts that match every one of the matchers, for instance `alertname="FusegateTripped"`.
    pub(crate) async fn alerts_with(&self, matchers: &[&str]) -> Result<Vec<Value>> {
        let mut url = reqwest::Url::parse(&self.url())?.join("/api/v2/alerts")?;
        url.query_pairs_mut()
            .extend_pairs(matchers.iter().map(|matcher| ("filter", matcher)));
        let answer = self.http.get(url).send().await?.error_for_status()?;
        Ok(answer.json().await?)
    }

    /// How many alerts it was ever given in a state, `firing` or `resolved`, since it was started.
    pub(crate) async fn received(&self, state: &str) -> Result<f64> {
        let answer = self
            .http
            .get(format!("{}/metrics", self.url()))
            .send()
            .await?;
        let metrics = answer.error_for_status()?.text().await?;
        let series =
            format!("alertmanager_alerts_received_total{{status=\"{state}\",version=\"v2\"}} ");
        let value = metrics.lines().find_map(|line| line.strip_prefix(&series));
        let value = value.with_context(|| format!("no series {series}"))?;
        Ok(value.trim().parse()?)
    }

    /// Kills it; its port refuses connections until `restart`.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it again on the same port and data.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.process = Process::start(&self.program)?;
        self.ready().await
    }
}

/// JSON is YAML, so this is its configuration file as it stands.
fn routes(config: &AlertmanagerConfig) -> Value {
    let webhooks = config
        .webhook
        .iter()
        .map(|url| json!({"url": url, "send_resolved": true}));
    json!({
        "route": {
            "receiver": "test",
            "group_by": ["..."],
            "group_wait": in_ms(config.group_wait),
            "group_interval": in_ms(config.group_interval),
            "repeat_interval": "1h",
        },
        "receivers": [{"name": "test", "webhook_configs": webhooks.collect::<Vec<_>>()}],
    })
}

/// A duration in the form that Prometheus and Alertmanager read.
fn in_ms(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}
