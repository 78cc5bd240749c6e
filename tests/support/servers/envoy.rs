//! An Envoy: one listener that reaches each of its clusters by a path of its own, and an ADS stream for runtime layers.

use std::{collections::BTreeMap, fs, net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use axum::http::{HeaderMap, StatusCode};
use reqwest::Client;
use serde_json::Value;

use super::super::{http, scratch::Scratch, wait::eventually};
use super::{
    assets, ports,
    process::{Process, Program},
};

mod bootstrap;

const READY_WITHIN: Duration = Duration::from_mins(1);

/// Which form of the protocol Envoy speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Variant {
    /// State of the world.
    #[default]
    Sotw,
    Delta,
}

/// A route `/<name>/` whose traffic is split over clusters by weight.
#[derive(Clone, Debug)]
pub(crate) struct Split {
    pub(crate) name: String,
    /// The runtime key `<prefix>.<cluster>` overrides a cluster's weight.
    pub(crate) runtime_key_prefix: String,
    /// Clusters with their weights, which together are 100.
    pub(crate) weights: Vec<(String, u32)>,
}

/// How an Envoy is set up.
#[derive(Clone, Debug)]
pub(crate) struct EnvoyConfig {
    pub(crate) node_id: String,
    pub(crate) node_cluster: String,
    /// Where its ADS servers are; without any it has no runtime layer but the admin one.
    pub(crate) xds: Vec<SocketAddr>,
    pub(crate) variant: Variant,
    /// The transport socket to its ADS servers, where that is not plain.
    pub(crate) xds_socket: Option<Value>,
    /// RTDS layers in their order; a static admin layer comes after them, so it wins.
    pub(crate) layers: Vec<String>,
    /// How long its start waits for each layer before it goes on without; Envoy's own default is 15 s.
    pub(crate) initial_fetch_timeout: Duration,
    /// Clusters by name, each reached at `/<name>/`.
    pub(crate) clusters: Vec<(String, SocketAddr)>,
    pub(crate) splits: Vec<Split>,
}

impl Default for EnvoyConfig {
    fn default() -> Self {
        Self {
            node_id: "envoy-1".to_owned(),
            node_cluster: "test".to_owned(),
            xds: Vec::new(),
            variant: Variant::default(),
            xds_socket: None,
            layers: Vec::new(),
            initial_fetch_timeout: Duration::from_secs(15),
            clusters: Vec::new(),
            splits: Vec::new(),
        }
    }
}

/// What a request through Envoy was answered.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// A running Envoy; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Envoy {
    process: Process,
    program: Program,
    admin_port: u16,
    listener_port: u16,
    http: Client,
    scratch: Scratch,
}

impl Envoy {
    /// Starts it and waits until its admin interface answers.
    ///
    /// Traffic flows only once it has its layers or has given them up, see [`Envoy::live`],
    /// so that Envoy and its ADS server can be started in either order.
    pub(crate) async fn start(config: EnvoyConfig) -> Result<Self> {
        ports::retrying(async || Self::try_start(&config).await).await
    }

    /// Starts it and waits until traffic flows.
    pub(crate) async fn start_live(config: EnvoyConfig) -> Result<Self> {
        let mut envoy = Self::start(config).await?;
        envoy.live().await?;
        Ok(envoy)
    }

    async fn try_start(config: &EnvoyConfig) -> Result<Self> {
        let scratch = Scratch::new("envoy")?;
        let (admin_port, listener_port) = (ports::free()?, ports::free()?);
        let places = bootstrap::Places {
            admin_port,
            listener_port,
            access_log: scratch.path().join("access.log"),
        };
        let file = scratch.write(
            "bootstrap.json",
            bootstrap::bootstrap(config, &places).to_string(),
        )?;
        let flags =
            "--disable-hot-restart --concurrency 1 --log-level info --file-flush-interval-msec 20";
        let mut args: Vec<String> = flags.split(' ').map(str::to_owned).collect();
        args.extend(["--config-path".to_owned(), file.display().to_string()]);
        let program = Program {
            name: "envoy",
            path: assets::program("envoy")?,
            args,
            env: Vec::new(),
            log: scratch.path().join("envoy.log"),
        };
        let mut envoy = Self {
            process: Process::start(&program)?,
            program,
            admin_port,
            listener_port,
            http: http::client()?,
            scratch,
        };
        envoy.wait_admin("server_info").await?;
        Ok(envoy)
    }

    /// Waits until traffic flows: every layer has come, or its time is up.
    pub(crate) async fn live(&mut self) -> Result<()> {
        self.wait_admin("ready").await
    }

    /// Kills it, if it runs, and starts it again with the same configuration and ports.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process = Process::start(&self.program)?;
        self.wait_admin("server_info").await
    }

    /// Its process, to be put in trouble.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    async fn wait_admin(&mut self, path: &str) -> Result<()> {
        let url = self.admin_url(path);
        let http = &self.http;
        self.process
            .ready(READY_WITHIN, async || {
                let answer = http.get(&url).send().await?;
                let status = answer.status();
                ensure!(status.is_success(), "{status} {}", answer.text().await?);
                Ok(())
            })
            .await
    }

    /// Sends one request to the cluster or split of that name.
    pub(crate) async fn get(&self, name: &str) -> Result<Answer> {
        let url = self.url(name);
        let answer = self.http.get(&url).send().await;
        let answer = answer.with_context(|| format!("GET {url}"))?;
        Ok(Answer {
            status: answer.status(),
            headers: answer.headers().clone(),
            body: answer.text().await?,
        })
    }

    /// The address at which the cluster or split of that name is reached.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://{}/{name}/", ports::loopback(self.listener_port))
    }

    /// The whole of `GET /runtime`: the names of the layers, and each key's value in each.
    pub(crate) async fn runtime(&self) -> Result<Value> {
        let text = self.admin("runtime").await?;
        serde_json::from_str(&text).with_context(|| format!("read {text}"))
    }

    /// The keys of one layer with their values, as Envoy holds them; keys whose value is empty are left out.
    ///
    /// # Errors
    /// When Envoy has no layer of that name.
    pub(crate) async fn layer(&self, name: &str) -> Result<BTreeMap<String, String>> {
        layer_of(&self.runtime().await?, name)
    }

    /// Waits until a layer holds exactly these keys.
    pub(crate) async fn wait_layer(
        &self,
        name: &str,
        expect: &[(&str, &str)],
        within: Duration,
    ) -> Result<()> {
        let expect = expect
            .iter()
            .map(|(key, value)| (key.to_string(), value.to_string()));
        let expect: BTreeMap<String, String> = expect.collect();
        eventually(
            &format!("layer {name} to be {expect:?}"),
            within,
            async || {
                let layer = self.layer(name).await?;
                ensure!(layer == expect, "{layer:?}");
                Ok(())
            },
        )
        .await
    }

    /// A counter or gauge by its whole name.
    ///
    /// # Errors
    /// When there is none of that name. Envoy makes some, such as those per response code, upon their first event.
    pub(crate) async fn stat(&self, name: &str) -> Result<u64> {
        let all = self.admin("stats?type=All").await?;
        for line in all.lines() {
            if let Some((key, value)) = line.split_once(": ")
                && key == name
            {
                return value.parse().with_context(|| format!("read stat {line}"));
            }
        }
        bail!("Envoy has no stat named {name}")
    }

    /// What the admin interface answers to `GET /<path>`.
    pub(crate) async fn admin(&self, path: &str) -> Result<String> {
        let answer = self.http.get(self.admin_url(path)).send().await?;
        Ok(answer.error_for_status()?.text().await?)
    }

    /// Sets a runtime key by hand, in the admin layer; an empty value removes it.
    pub(crate) async fn override_runtime(&self, key: &str, value: &str) -> Result<()> {
        let url = self.admin_url(&format!("runtime_modify?{key}={value}"));
        self.http.post(url).send().await?.error_for_status()?;
        Ok(())
    }

    /// The URL of a page of its admin interface.
    pub(crate) fn admin_url(&self, path: &str) -> String {
        format!("http://{}/{path}", ports::loopback(self.admin_port))
    }

    /// The access log's lines: status, flags, details, cluster and path.
    pub(crate) fn access_log(&self) -> Result<Vec<String>> {
        let log = fs::read_to_string(self.scratch.path().join("access.log"))?;
        Ok(log.lines().map(str::to_owned).collect())
    }

    /// Where its configuration and logs are.
    pub(crate) fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// The end of its own log, for the message of a failed test.
    pub(crate) fn log_tail(&self) -> String {
        self.process.log_tail()
    }
}

/// The keys of one layer in an answer to `GET /runtime`, see [`Envoy::layer`].
pub(crate) fn layer_of(runtime: &Value, name: &str) -> Result<BTreeMap<String, String>> {
    let layers = runtime["layers"].as_array().context("no list of layers")?;
    let index = layers.iter().position(|layer| layer == name);
    let index = index.with_context(|| format!("no layer {name} among {layers:?}"))?;
    let entries = runtime["entries"].as_object().context("no entries")?;
    let values = entries.iter().filter_map(|(key, entry)| {
        let value = entry["layer_values"].get(index)?.as_str()?;
        Some((key.clone(), value.to_owned()))
    });
    Ok(values.filter(|(_, value)| !value.is_empty()).collect())
}
