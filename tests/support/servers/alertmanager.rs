//! An Alertmanager with a route of its own: alerts in through its API, out to a webhook if one is given.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result};
use reqwest::{Client, RequestBuilder, Url};
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
    /// The content of its configuration file, in place of all of the above.
    pub(crate) file: Option<String>,
    /// Where its pages are; `/alerts` for instance.
    pub(crate) prefix: String,
    /// TLS and a password.
    pub(crate) secured: Option<Secured>,
}

/// An Alertmanager that asks for a password, over TLS.
#[derive(Clone, Debug)]
pub(crate) struct Secured {
    /// The content of its web configuration.
    pub(crate) web: String,
    /// The authority of its certificate, which is for `localhost`.
    pub(crate) authority: String,
    /// A user and the password.
    pub(crate) user: (String, String),
}

impl Default for AlertmanagerConfig {
    fn default() -> Self {
        Self {
            webhook: None,
            group_wait: Duration::from_millis(10),
            group_interval: Duration::from_secs(1),
            file: None,
            prefix: String::new(),
            secured: None,
        }
    }
}

impl AlertmanagerConfig {
    /// Tells these webhooks of everything at once, and again each second, with the token in a file.
    pub(crate) fn telling(webhooks: &[String], token: &Path) -> Self {
        let webhooks = webhooks.iter().map(|url| {
            json!({
                "url": url,
                "send_resolved": true,
                "http_config": {"authorization": {"credentials_file": token}},
            })
        });
        let config = json!({
            "route": {
                "receiver": "fusegate", "group_by": ["..."],
                "group_wait": "10ms", "group_interval": "500ms", "repeat_interval": "1s",
            },
            "receivers": [{"name": "fusegate", "webhook_configs": webhooks.collect::<Vec<_>>()}],
        });
        Self {
            file: Some(config.to_string()),
            ..Self::default()
        }
    }
}

/// A running Alertmanager; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Alertmanager {
    process: Process,
    program: Program,
    base: String,
    user: Option<(String, String)>,
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
        let text = config.file.clone();
        let text = text.unwrap_or_else(|| routes(config).to_string());
        let file = scratch.write("alertmanager.yml", text)?;
        let mut program = Program {
            name: "alertmanager",
            path: assets::program("alertmanager")?,
            args: vec![
                format!("--config.file={}", file.display()),
                format!("--storage.path={}", scratch.path().join("data").display()),
                format!("--web.listen-address={}", ports::loopback(port)),
                format!("--web.route-prefix=/{}", config.prefix.trim_matches('/')),
                // Empty: it forms no cluster, whose port would clash with the next one's.
                "--cluster.listen-address=".to_owned(),
            ],
            env: Vec::new(),
            log: scratch.path().join("alertmanager.log"),
        };
        let (host, http) = match &config.secured {
            None => (format!("http://{}", ports::loopback(port)), http::client()?),
            Some(secured) => {
                let file = scratch.write("web.yml", &secured.web)?;
                let flag = format!("--web.config.file={}", file.display());
                program.args.push(flag);
                let http = http::client_of(&secured.authority)?;
                (format!("https://localhost:{port}"), http)
            }
        };
        let mut alertmanager = Self {
            process: Process::start(&program)?,
            program,
            base: format!("{host}{}", config.prefix),
            user: config.secured.as_ref().map(|secured| secured.user.clone()),
            http,
            _scratch: scratch,
        };
        alertmanager.ready().await?;
        Ok(alertmanager)
    }

    async fn ready(&mut self) -> Result<()> {
        let asked = self.get(format!("{}/-/ready", self.base).parse()?);
        self.process
            .ready(READY_WITHIN, async || {
                let asked = asked.try_clone().context("it has a body")?;
                asked.send().await?.error_for_status()?;
                Ok(())
            })
            .await
    }

    fn get(&self, url: Url) -> RequestBuilder {
        let request = self.http.get(url);
        match &self.user {
            None => request,
            Some((name, password)) => request.basic_auth(name, Some(password)),
        }
    }

    /// The address that clients are given.
    pub(crate) fn url(&self) -> String {
        self.base.clone()
    }

    /// Raises an alert as Prometheus does, or ends it.
    pub(crate) async fn raise(
        &self,
        labels: &Value,
        starts: &str,
        ends: Option<&str>,
    ) -> Result<()> {
        let mut alert = json!({
            "labels": labels, "startsAt": starts,
            "annotations": {"summary": "payments are down"},
        });
        if let Some(ends) = ends {
            alert["endsAt"] = json!(ends);
        }
        let url = format!("{}/api/v2/alerts", self.base);
        let answer = self.http.post(url).json(&json!([alert])).send().await?;
        answer.error_for_status()?;
        Ok(())
    }

    /// Keeps alerts with this label from everybody, until it is told to forget that.
    pub(crate) async fn silence(&self, label: &str, value: &str) -> Result<()> {
        let url = format!("{}/api/v2/silences", self.base);
        let silence = json!({
            "matchers": [{"name": label, "value": value, "isRegex": false}],
            "startsAt": "2000-01-01T00:00:00Z",
            "endsAt": "2100-01-01T00:00:00Z",
            "createdBy": "test",
            "comment": "test",
        });
        let answer = self.http.post(url).json(&silence).send().await?;
        answer.error_for_status()?;
        Ok(())
    }

    /// The labels by which it groups what it holds, group by group.
    pub(crate) async fn groups(&self) -> Result<Vec<Value>> {
        let url = format!("{}/api/v2/alerts/groups", self.base).parse()?;
        let answer = self.get(url).send().await?.error_for_status()?;
        Ok(answer.json().await?)
    }

    /// All alerts that it holds and that have not ended, as its API v2 shows them.
    pub(crate) async fn alerts(&self) -> Result<Vec<Value>> {
        self.alerts_with(&[]).await
    }

    /// The alerts that match every one of the matchers, for instance `alertname="FusegateTripped"`.
    pub(crate) async fn alerts_with(&self, matchers: &[&str]) -> Result<Vec<Value>> {
        let mut url = Url::parse(&format!("{}/api/v2/alerts", self.base))?;
        url.query_pairs_mut()
            .extend_pairs(matchers.iter().map(|matcher| ("filter", matcher)));
        let answer = self.get(url).send().await?.error_for_status()?;
        Ok(answer.json().await?)
    }

    /// How many alerts it was ever given in a state, `firing` or `resolved`, since it was started.
    pub(crate) async fn received(&self, state: &str) -> Result<f64> {
        let series =
            format!("alertmanager_alerts_received_total{{status=\"{state}\",version=\"v2\"}} ");
        self.metric(&series).await
    }

    /// How many notifications it has tried to send by an integration, `webhook` for instance.
    pub(crate) async fn sent(&self, integration: &str) -> Result<f64> {
        let series = format!("alertmanager_notifications_total{{integration=\"{integration}\"}} ");
        self.metric(&series).await
    }

    async fn metric(&self, series: &str) -> Result<f64> {
        let url = format!("{}/metrics", self.base).parse()?;
        let answer = self.get(url).send().await?;
        let metrics = answer.error_for_status()?.text().await?;
        let value = metrics.lines().find_map(|line| line.strip_prefix(series));
        let value = value.with_context(|| format!("no series {series}"))?;
        Ok(value.trim().parse()?)
    }

    /// Kills it; its port refuses connections until `restart`.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Its process, to be put in trouble.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
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
