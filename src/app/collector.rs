//! The collector: starts what traces writes, where traces are asked for.

use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::app::run::{Parts, server};
use crate::app::traces::{self, Traced};
use crate::cli::run::{Run, Source};
use crate::runtime::otlp::{self, Exporter};

impl Parts {
    /// Traces writes, where there is a collector.
    pub(super) fn start_traces(
        &self,
        options: &Run,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) -> anyhow::Result<Option<(Traced, Exporter)>> {
        let Some(endpoint) = &options.traces.endpoint else {
            return Ok(None);
        };
        let http_config = options.traces.http_config.as_ref();
        let collector = server(endpoint, http_config).context("--otlp-endpoint")?;
        let resource = resource(options);
        let (spans, exporter) = otlp::start(collector, resource, self.clock, &self.metrics)?;
        let (traced, following) = traces::open(self.clock, spans, &self.metrics);
        let token = self.token.clone();
        tasks.spawn(async move {
            token.run_until_cancelled(following).await;
            Ok(())
        });
        Ok(Some((traced, exporter)))
    }
}

/// What a collector is told of this program, by OpenTelemetry's semantic conventions.
fn resource(options: &Run) -> Vec<(&'static str, String)> {
    let mut attributes = vec![
        ("service.name", "fusegate".to_owned()),
        ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service.instance.id", options.replica.clone()),
    ];
    if options.source == Source::Kube {
        attributes.push(("k8s.cluster.name", options.cluster.clone()));
        // The kubelet gives it to every container, whose host name is then that of its pod.
        if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
            attributes.extend([
                ("k8s.namespace.name", options.namespace().to_owned()),
                ("k8s.pod.name", options.replica.clone()),
            ]);
        }
    }
    attributes
}
