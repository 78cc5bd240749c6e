//! A Prometheus that scrapes what a test names, with the test's own rules.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, ensure};
use prometheus_http_query::response::PromqlResult;
use serde_json::{Value, json};

use super::super::{http, scratch::Scratch};
use super::{
    assets, ports,
    process::{Process, Program},
};

const READY_WITHIN: Duration = Duration::from_mins(1);

/// How a Prometheus is set up.
#[derive(Clone, Debug)]
pub(crate) struct PrometheusConfig {
    /// Servers whose `/metrics` are scraped, in the job `test`.
    pub(crate) targets: Vec<SocketAddr>,
    /// More of how they are scraped: TLS and credentials.
    pub(crate) scrape: Value,
    /// Also how often rules are evaluated.
    pub(crate) scrape_interval: Duration,
    /// A rules file's content, for instance one of the project's own.
    pub(crate) rules: Option<String>,
    /// Where firing alerts go.
    pub(crate) alertmanager: Option<SocketAddr>,
    /// The content of its web configuration: TLS and passwords.
    pub(crate) web: Option<String>,
}

impl Default for PrometheusConfig {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            scrape: Value::Null,
            scrape_interval: Duration::from_millis(500),
            rules: None,
            alertmanager: None,
            web: None,
        }
    }
}

/// A running Prometheus; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Prometheus {
    process: Process,
    program: Program,
    /// How often it was started.
    starts: usize,
    port: u16,
    _scratch: Scratch,
}

impl Prometheus {
    pub(crate) async fn start(config: PrometheusConfig) -> Result<Self> {
        ports::retrying(async || Self::try_start(&config).await).await
    }

    async fn try_start(config: &PrometheusConfig) -> Result<Self> {
        let scratch = Scratch::new("prometheus")?;
        let port = ports::free()?;
        if let Some(rules) = &config.rules {
            scratch.write("rules.yml", rules)?;
        }
        let file = scratch.write("prometheus.yml", settings(config).to_string())?;
        let mut program = Program {
            name: "prometheus",
            path: assets::program("prometheus")?,
            args: vec![
                format!("--config.file={}", file.display()),
                format!(
                    "--storage.tsdb.path={}",
                    scratch.path().join("data").display()
                ),
                format!("--web.listen-address={}", ports::loopback(port)),
            ],
            env: Vec::new(),
            log: scratch.path().join("prometheus.log"),
        };
        if let Some(web) = &config.web {
            let file = scratch.write("web.yml", web)?;
            let flag = format!("--web.config.file={}", file.display());
            program.args.push(flag);
        }
        let mut prometheus = Self {
            process: Process::start(&program)?,
            program,
            starts: 1,
            port,
            _scratch: scratch,
        };
        prometheus.ready().await?;
        Ok(prometheus)
    }

    /// It says so itself, and may be asked only by who has a certificate.
    async fn ready(&mut self) -> Result<()> {
        let (log, starts) = (self.program.log.clone(), self.starts);
        self.process
            .ready(READY_WITHIN, async || {
                let log = std::fs::read_to_string(&log)?;
                let said = log.matches("Server is ready to receive web requests");
                ensure!(said.count() == starts, "it does not say so");
                Ok(())
            })
            .await
    }

    pub(crate) fn log(&self) -> Result<String> {
        self.process.log()
    }

    /// Its process, to be put in trouble.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Kills it at once; nothing listens in its place.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it again where it was.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.process = Process::start(&self.program)?;
        self.starts += 1;
        self.ready().await
    }

    /// Stops it where it is: connections are taken, and nothing is answered.
    pub(crate) async fn freeze(&self) -> Result<()> {
        self.process.freeze().await
    }

    /// Lets a frozen one go on.
    pub(crate) fn thaw(&self) -> Result<()> {
        self.process.thaw()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", ports::loopback(self.port))
    }

    /// An instant query.
    pub(crate) async fn query(&self, promql: &str) -> Result<PromqlResult> {
        let client = prometheus_http_query::Client::from(http::client()?, &self.url())?;
        let answer = client.query(promql).get().await;
        answer.with_context(|| format!("query {promql}"))
    }

    /// The value of the first series of an instant query's answer, or nothing if there is no series.
    pub(crate) async fn value(&self, promql: &str) -> Result<Option<f64>> {
        let answer = self.query(promql).await?;
        let first = answer.data().as_vector().and_then(|series| series.first());
        Ok(first.map(|series| series.sample().value()))
    }
}

/// JSON is YAML, so this is its configuration file as it stands.
fn settings(config: &PrometheusConfig) -> Value {
    let interval = format!("{}ms", config.scrape_interval.as_millis());
    let rule_files: &[&str] = if config.rules.is_some() {
        &["rules.yml"]
    } else {
        &[]
    };
    let mut scrape = json!({"job_name": "test", "static_configs": [{"targets": config.targets}]});
    for (name, value) in config.scrape.as_object().into_iter().flatten() {
        scrape[name] = value.clone();
    }
    json!({
        "global": {
            "scrape_interval": interval,
            "scrape_timeout": interval,
            "evaluation_interval": interval,
        },
        "rule_files": rule_files,
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": config.alertmanager.iter().collect::<Vec<_>>()}]}]},
        "scrape_configs": [scrape],
    })
}
