//! Running: starts, joins and shuts down the parts in order.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use fusegate_xds::server::Tls;
use futures::FutureExt as _;
use kube::Client;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::app::debug;
use crate::app::desk;
use crate::app::listener::listen;
use crate::app::logging;
use crate::app::queries::QueryBoard;
use crate::app::sinks::{Outgoing, Sinks};
use crate::breaker::time::Span;
use crate::cli::run::{Run, SecretUrl, Source};
use crate::effects::audit::Destination;
use crate::effects::cluster::Cluster;
use crate::effects::dispatch::{self, Backend, Dispatcher, GateNotes};
use crate::effects::order::Orders;
use crate::engine::Settings;
use crate::engine::settings::Capacity;
use crate::recording::line::{FORMAT, Header};
use crate::recording::recorder::{self, Recorder};
use crate::recording::rules;
use crate::runtime::clock::Clock;
use crate::runtime::cluster_time;
use crate::runtime::leader::{self, Candidate};
use crate::runtime::metrics::Metrics;
use crate::runtime::sampler::Sampler;
use crate::runtime::server_url::ServerUrl;
use crate::runtime::shutdown;
use crate::runtime::tenure::Tenure;
use crate::serve::access::SharedTokens;
use crate::serve::server::SharedTls;
use crate::serve::webhook::SharedGuards;
use crate::source::dir::DirSource;
use crate::source::dir::skipped::SkippedFiles;
use crate::source::kube::KubeSource;
use crate::source::prometheus::PrometheusSource;
use crate::source::queue::{self, Limits, Receiver, Sender};
use crate::wire::event::Event;

/// The capacity of the engine's queue. An object's event takes about two kilobytes, so only a flood of large ones
/// meets the bound in bytes. With the queue of the recording it stays below the 32 MiB that a hostile writer may
/// cost (DESIGN, Targets).
pub(super) const QUEUE: Limits = Limits {
    events: 4_096,
    bytes: 2 << 20,
};

/// How long effects may take to finish at shutdown.
pub(super) const DRAIN: Span = Span::from_secs(5);

/// Runs fusegate until shutdown.
pub async fn run(options: Run) -> anyhow::Result<()> {
    options.xds.check()?;
    let xds = listen(options.xds.listen, "--xds-listen")?;
    let web = listen(options.http.listen, "--http-listen")?;
    let (parts, events) = Parts::new(&options);
    let mut tasks = JoinSet::new();
    let (xds_tls, web_tls) = parts.start_tls(&options, &mut tasks)?;
    tasks.spawn(
        shutdown::on_signal(parts.token.clone())
            .map(|heard| heard.context("listening for signals")),
    );
    let telling = logging::report_left_out(parts.token.clone());
    tasks.spawn(telling.map(Ok));
    parts.start_debug(&options, &mut tasks)?;
    let (outgoing, lease) = match &options.source {
        Source::Kube => parts.start_kube(&options, &mut tasks).await?,
        Source::Dir(path) => parts.start_dir(&options, path, &mut tasks).await?,
    };
    let listening = Ports {
        xds,
        web,
        xds_tls,
        web_tls,
        tokens: parts.start_tokens(&options, &mut tasks)?,
    };
    let recorder = parts.start_recording(&options)?;
    let (traced, exporter) = parts.start_traces(&options, &mut tasks)?.unzip();
    let sinks = Sinks {
        outgoing,
        queries: parts.start_prometheus(&options, &mut tasks)?,
        traced,
    };
    let mut pump = parts.start_serving(&options, listening, sinks, &mut tasks);
    pump.recorder = recorder;
    let pumping = tokio::spawn(pump.run(events, parts.token.clone()));
    tracing::info!(source = %options.source, xds = %options.xds.listen, http = %options.http.listen, "fusegate is running");
    let ended = join(tasks, &parts.token).await;
    let (dispatcher, recorder) = pumping
        .await
        .context("the engine panicked; please report it")?;
    let deadline = parts.clock.instant_of(parts.clock.now().mono + DRAIN);
    tokio::join!(
        dispatcher.drain(DRAIN),
        async {
            if let Some(recorder) = recorder {
                recorder.drain(deadline.into()).await;
            }
        },
        async {
            if let Some(exporter) = exporter {
                exporter.drain(deadline.into()).await;
            }
        }
    );
    if let Some(lease) = lease {
        lease.release().await;
    }
    ended
}

/// What every part needs.
pub(super) struct Parts {
    pub(super) clock: Clock,
    pub(super) metrics: Metrics,
    pub(super) token: CancellationToken,
    pub(super) skipped: SkippedFiles,
    pub(super) guards: SharedGuards,
    pub(super) sender: Sender,
}

/// The ports, listening.
pub(super) struct Ports {
    pub(super) xds: TcpListener,
    pub(super) web: TcpListener,
    pub(super) xds_tls: Option<Tls>,
    pub(super) web_tls: Option<SharedTls>,
    pub(super) tokens: SharedTokens,
}

/// The lease; held until the last effect is done.
struct HeldLease {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl HeldLease {
    async fn release(self) {
        self.stop.cancel();
        if let Err(panicked) = self.task.await {
            tracing::warn!(%panicked, "the lease was not released; the next leader waits for it to expire");
        }
    }
}

impl Parts {
    /// The parts, and the events that are sent to the engine.
    fn new(options: &Run) -> (Self, Receiver) {
        let metrics = Metrics::new();
        metrics.note_shard(options.shard);
        let clock = Clock::start();
        let (mut sender, events) = queue::open(QUEUE, metrics.clone());
        if options.traces.endpoint.is_some() {
            sender = sender.sampling(Sampler::new(options.traces.ratio, clock));
        }
        let parts = Self {
            clock,
            metrics,
            token: CancellationToken::new(),
            skipped: SkippedFiles::default(),
            guards: SharedGuards::default(),
            sender,
        };
        (parts, events)
    }

    /// Serves profiles, where somebody asks for that.
    fn start_debug(
        &self,
        options: &Run,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) -> anyhow::Result<()> {
        if let Some(address) = options.debug_listen {
            let listener = listen(address, "--debug-listen")?;
            tasks.spawn(debug::serve(listener, self.token.clone()));
        }
        Ok(())
    }

    async fn start_kube(
        &self,
        options: &Run,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) -> anyhow::Result<(Outgoing, Option<HeldLease>)> {
        let client = options.kube.connect().await?;
        cluster_time::look(&client, self.clock).await;
        let keeping = cluster_time::keep(client.clone(), self.clock, self.token.clone());
        tasks.spawn(keeping.map(Ok));
        let tenure = Tenure::new(self.clock);
        let (held, leading) = self.start_election(client.clone(), tenure.clone(), options, tasks);
        let source = KubeSource::new(client.clone(), options.namespace().to_owned())
            .of(options.share())
            .led_by(leading.clone());
        let (sender, token) = (self.sender.clone(), self.token.clone());
        tasks.spawn(async move {
            source
                .run(sender, token)
                .await
                .context("watching the API server")
        });
        let cluster = Cluster {
            client,
            namespace: options.namespace().to_owned(),
        };
        self.start_webhook(options, &cluster, leading, tasks)?;
        let backend = Backend::Kube {
            cluster,
            instance: options.replica.clone(),
        };
        Ok((self.start_effects(options, backend, tenure)?, Some(held)))
    }

    async fn start_dir(
        &self,
        options: &Run,
        path: &Path,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) -> anyhow::Result<(Outgoing, Option<HeldLease>)> {
        if options.webhook.listen.is_some() {
            bail!(
                "--webhook-listen: there is no API server that could ask; leave it out with --source dir:PATH"
            );
        }
        if !options.shard.is_whole() {
            bail!("--shard: one fusegate judges a directory; leave it out with --source dir:PATH");
        }
        let source = DirSource::open(path, options.state.as_deref())?
            .metered(self.metrics.clone())
            .listing_skipped(self.skipped.clone());
        let backend = Backend::Dir(source.layout().clone());
        self.sender
            .send(Event::Leading(true))
            .await
            .context("starting the engine")?;
        let (sender, token) = (self.sender.clone(), self.token.clone());
        tasks.spawn(async move {
            source
                .run(sender, token)
                .await
                .context("watching the directory")
        });
        let tenure = Tenure::endless(self.clock);
        Ok((self.start_effects(options, backend, tenure)?, None))
    }

    /// Competes for the lease.
    fn start_election(
        &self,
        client: Client,
        tenure: Tenure,
        options: &Run,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) -> (HeldLease, watch::Receiver<bool>) {
        let candidate = Candidate {
            client,
            namespace: options.namespace().to_owned(),
            shard: options.shard,
            identity: options.replica.clone(),
        };
        let stop = CancellationToken::new();
        let (mut leading, task) = leader::start(candidate, self.clock, tenure, stop.clone());
        let others = leading.clone();
        let token = self.token.clone();
        tasks.spawn(async move {
            while let Some(changed) = token.run_until_cancelled(leading.changed()).await {
                changed.context("the election ended by itself")?;
            }
            Ok(())
        });
        (HeldLease { stop, task }, others)
    }

    /// Runs the queries of contracts, once the engine has said which.
    fn start_prometheus(
        &self,
        options: &Run,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) -> anyhow::Result<QueryBoard> {
        let http_config = options.prometheus_http_config.as_ref();
        let urls = options.prometheus.iter();
        let urls = urls.map(|url| server(url, http_config).context("--prometheus"));
        let urls = urls.collect::<Result<_, _>>()?;
        let source = PrometheusSource::new(urls, self.clock, self.metrics.clone())?;
        let (board, queries) = QueryBoard::open(self.metrics.clone());
        let running = source.run(queries, self.sender.clone(), self.token.clone());
        tasks.spawn(running.map(Ok));
        Ok(board)
    }

    fn start_recording(&self, options: &Run) -> anyhow::Result<Option<Recorder>> {
        let Some(path) = &options.record else {
            return Ok(None);
        };
        let Settings {
            cluster,
            link,
            namespace,
            shard,
            ..
        } = settings(options);
        let config = recorder::Config {
            path: path.clone(),
            limit: options.record_limit.saturating_mul(1 << 20),
            header: Header {
                format: FORMAT,
                version: env!("CARGO_PKG_VERSION").to_owned(),
                cluster: cluster.into(),
                link: link.into(),
                namespace: namespace.to_string(),
                shard: shard.map(String::from),
                rules: rules::newest(),
                began: Some(self.clock.now().wall.0),
            },
        };
        Ok(Some(Recorder::start(config, self.metrics.clone())?))
    }

    fn start_effects(
        &self,
        options: &Run,
        backend: Backend,
        tenure: Tenure,
    ) -> anyhow::Result<Outgoing> {
        let http_config = options.alertmanager_http_config.as_ref();
        let notes = GateNotes::start(backend.clone(), self.clock, self.metrics.clone());
        let alertmanagers = options.alertmanagers.iter();
        let alertmanagers = alertmanagers
            .map(|url| server(url, http_config).context("--alertmanager"))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let desk = desk::open(Orders::at(&backend), alertmanagers.clone(), &self.metrics);
        let config = dispatch::Config {
            backend,
            audit: Some(Destination::new(&options.audit)),
            alertmanagers,
            reports: self.sender.clone(),
            clock: self.clock,
            tenure,
            metrics: self.metrics.clone(),
        };
        let dispatcher = Dispatcher::start(config)?;
        Ok(Outgoing {
            dispatcher,
            notes,
            desk,
        })
    }
}

/// Another server, and how it is reached.
pub(super) fn server(
    SecretUrl(url): &SecretUrl,
    http_config: Option<&PathBuf>,
) -> anyhow::Result<ServerUrl> {
    let url: ServerUrl = url.parse()?;
    Ok(url.with_options_in(http_config.cloned()))
}

/// The settings of the engine.
pub(super) fn settings(options: &Run) -> Settings {
    Settings {
        cluster: options.cluster.as_str().into(),
        link: options.link.trim_end_matches('/').into(),
        namespace: options.namespace().into(),
        capacity: Capacity::default(),
        shard: (!options.shard.is_whole()).then(|| options.shard.to_string().into()),
    }
}

/// Waits for all parts; when one ends, for any reason, all are stopped.
async fn join(
    mut tasks: JoinSet<anyhow::Result<()>>,
    token: &CancellationToken,
) -> anyhow::Result<()> {
    let mut result = Ok(());
    while let Some(ended) = tasks.join_next().await {
        token.cancel();
        let ended = ended
            .context("a part of fusegate panicked; please report it")
            .and_then(|ended| ended);
        result = result.and(ended);
    }
    result
}
