//! The scene: fusegate, Envoy, Alertmanager, two services with their operators, and the users.

use std::fs;
use std::path::PathBuf;
use std::process;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::files::Files;
use crate::harness::support::fusegate::{Fusegate, FusegateConfig};
use crate::harness::support::servers::alertmanager::{Alertmanager, AlertmanagerConfig};
use crate::harness::support::servers::envoy::{Envoy, EnvoyConfig};
use crate::harness::support::servers::upstream::Upstream;
use crate::operator::Operator;
use crate::pager::Pager;
use crate::timeline::Timeline;
use crate::traffic::Traffic;
use crate::watcher::Watcher;

/// The cluster that will be shed.
pub(crate) const CHECKOUT: &str = "shop-checkout";

/// The cluster that must not notice.
pub(crate) const SEARCH: &str = "shop-search";

/// How long a healthy service takes to answer.
pub(crate) const HEALTHY: Duration = Duration::from_millis(20);

/// Everything that runs. Fields are dropped in their order: who asks goes before who answers.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) traffic: Traffic,
    pub(crate) watcher: Watcher,
    pub(crate) operator: Operator,
    _other: Operator,
    pub(crate) fusegate: Fusegate,
    pub(crate) envoy: Envoy,
    pub(crate) alertmanager: Alertmanager,
    _pager: Pager,
    pub(crate) checkout: Upstream,
    _search: Upstream,
    pub(crate) files: Files,
}

impl Scene {
    /// Starts everything and waits until traffic flows.
    pub(crate) async fn set(timeline: &Timeline) -> Result<Self> {
        let files = Files::new()?;
        let (checkout, search) = (service().await?, service().await?);
        let operator = Operator::start("checkout", files.folder(), checkout.address())?;
        let other = Operator::start("search", files.folder(), search.address())?;
        let pager = Pager::start(timeline.clone()).await?;
        let alertmanager = Alertmanager::start(AlertmanagerConfig {
            webhook: Some(pager.url()),
            ..AlertmanagerConfig::default()
        })
        .await
        .context("start Alertmanager")?;
        let fusegate = Fusegate::start(options(&files, &alertmanager))
            .await
            .context("start fusegate")?;
        let envoy = Envoy::start_live(proxy(&fusegate, &checkout, &search))
            .await
            .context("start Envoy")?;
        let urls = [CHECKOUT, SEARCH].map(|cluster| (cluster, envoy.url(cluster)));
        let circuits = fusegate.url("v1/circuits");
        timeline.tell(
            "scene",
            format!("fusegate watches {}", files.folder().display()),
        );
        timeline.tell(
            "scene",
            format!("its page, gate and metrics are at {}", fusegate.url("")),
        );
        timeline.tell(
            "scene",
            format!("Envoy has two clusters: {}", envoy.url(CHECKOUT)),
        );
        timeline.tell(
            "scene",
            format!("                        {}", envoy.url(SEARCH)),
        );
        timeline.tell(
            "scene",
            format!("Alertmanager is at {}", alertmanager.url()),
        );
        Ok(Self {
            watcher: Watcher::start(circuits, "checkout", timeline.clone())?,
            traffic: Traffic::start(urls, timeline.clone())?,
            operator,
            _other: other,
            fusegate,
            envoy,
            alertmanager,
            _pager: pager,
            checkout,
            _search: search,
            files,
        })
    }

    /// Copies what explains a failure to where it outlives the demo.
    pub(crate) fn keep_logs(&self) -> Result<PathBuf> {
        let folder = std::env::temp_dir().join(format!("fusegate-demo-{}", process::id()));
        fs::create_dir_all(&folder).context("make a folder for the logs")?;
        fs::write(folder.join("fusegate.log"), self.fusegate.log()?)?;
        let logs = [
            (self.envoy.folder().join("envoy.log"), "envoy.log"),
            (self.envoy.folder().join("access.log"), "envoy-access.log"),
            (self.files.audit(), "audit.log"),
        ];
        for (from, to) in logs {
            // One that was never written is not there to be copied.
            let _ = fs::copy(from, folder.join(to));
        }
        Ok(folder)
    }

    /// Says what can be tried while everything still runs.
    pub(crate) fn invite(&self) {
        let folder = self.files.folder();
        println!(
            "\nEverything still runs; Ctrl-C ends it. Try:
  the page, in a browser     {page}
  the gate, and why          curl -s {gate}
  the circuits, live         curl -s {circuits}
  the service, through Envoy curl -i {checkout}
  every decision             tail -f {audit}
  Force the circuit open by writing a file into {folder}:
    apiVersion: fusegate.io/v1alpha1
    kind: CircuitOverride
    metadata: {{name: hold, namespace: shop}}
    spec: {{policy: storefronts, object: checkout, state: ForcedOpen, until: \"2099-01-01T00:00:00Z\", reason: trying}}",
            page = self.fusegate.url("#/circuits/shop/storefronts/checkout"),
            gate = self.fusegate.url("v1/gate/shop/storefronts"),
            circuits = self.fusegate.url("v1/circuits"),
            checkout = self.envoy.url(CHECKOUT),
            audit = self.files.audit().display(),
            folder = folder.display(),
        );
    }
}

async fn service() -> Result<Upstream> {
    let service = Upstream::start().await?;
    service.set_latency(HEALTHY);
    Ok(service)
}

fn options(files: &Files, alertmanager: &Alertmanager) -> FusegateConfig {
    FusegateConfig::args([
        format!("--source=dir:{}", files.folder().display()),
        format!("--audit={}", files.audit().display()),
        format!("--alertmanager={}", alertmanager.url()),
        "--cluster=demo".to_owned(),
        "--link=http://{http}".to_owned(),
    ])
    .unrecorded()
}

fn proxy(fusegate: &Fusegate, checkout: &Upstream, search: &Upstream) -> EnvoyConfig {
    EnvoyConfig {
        xds: vec![fusegate.xds()],
        layers: vec!["shop".to_owned(), "shop.conditions".to_owned()],
        clusters: vec![
            (CHECKOUT.to_owned(), checkout.address()),
            (SEARCH.to_owned(), search.address()),
        ],
        ..EnvoyConfig::default()
    }
}
