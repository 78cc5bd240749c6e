//! Serving: the ports answered, and what they are answered from.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use fusegate_xds::{Observer, Server, Store};
use futures::FutureExt as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::app::bounds::Gauges;
use crate::app::feeds::{Feeds, Oldest};
use crate::app::history::HistoryFeed;
use crate::app::notices::GateReporter;
use crate::app::pump::Pump;
use crate::app::run::{Parts, Ports, QUEUE, settings};
use crate::app::sinks::Sinks;
use crate::app::top::Tally;
use crate::app::traces::Traced;
use crate::app::{fleet, history, memory, meter, programmed, publish, xds};
use crate::cli::run::{Run, Source};
use crate::effects::dispatch::GateNotes;
use crate::engine::Engine;
use crate::runtime::memory::pressure::Memory;
use crate::runtime::metrics::Bound;
use crate::serve::access::{Access, Pace, SharedTokens};
use crate::serve::alertmanager::Desk;
use crate::serve::counters::Counters;
use crate::serve::history::SharedHistory;
use crate::serve::installation::Installation;
use crate::serve::notice::Notices;
use crate::serve::notice::ledger::Ledger;
use crate::serve::server as http;
use crate::serve::state::{Heartbeat, ServeState};
use crate::serve::top::SharedTop;
use crate::serve::verdict::Moment;
use crate::serve::waiters::Waiters;
use crate::wire::view::{SharedView, View};

/// The parts that requests are answered from.
struct Served {
    view: SharedView,
    heartbeat: Heartbeat,
    history: SharedHistory,
    tokens: SharedTokens,
    memory: watch::Receiver<Memory>,
    top: SharedTop,
    server: Server,
    store: Arc<Store>,
    oldest: Oldest,
    notices: Notices,
    waiters: Waiters,
    desk: Desk,
}

impl Parts {
    /// Starts both ports; what is given back drives them.
    pub(super) fn start_serving(
        &self,
        options: &Run,
        ports: Ports,
        sinks: Sinks,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) -> Pump {
        let store: Arc<Store> = Arc::new(publish::store());
        let Sinks {
            outgoing,
            queries,
            traced,
        } = sinks;
        let (traces, observer): (_, Arc<dyn Observer>) = match traced {
            Some(Traced { traces, acks }) => (Some(traces), Arc::new(acks)),
            None => (None, Arc::new(())),
        };
        let server = xds::server(store.clone(), &options.xds, ports.xds_tls, observer);
        self.serve_xds(&server, ports.xds, store.clone(), tasks);
        let view: SharedView = Arc::new(ArcSwap::from_pointee(View::default()));
        let heartbeat = Heartbeat::start(self.clock.now().mono);
        let (oldest, top) = (Oldest::default(), SharedTop::default());
        let (changed, views) = watch::channel(());
        let (notices, told) = Notices::open(self.metrics.bound(Bound::GateNotices));
        let memory = self.keep_memory(tasks);
        let (kept, history) = self.keep_history(&view, memory.clone(), tasks);
        let all = Served {
            view: view.clone(),
            heartbeat: heartbeat.clone(),
            history: kept,
            tokens: ports.tokens,
            memory: memory.clone(),
            top: top.clone(),
            server,
            store: store.clone(),
            oldest: oldest.clone(),
            notices,
            waiters: Waiters::new(views),
            desk: outgoing.desk,
        };
        let state = self.serve_state(options, all);
        let reports = self.gate_reporter(&view, outgoing.notes);
        let reports = reports.run(told, self.token.clone());
        let serving = http::serve(ports.web, ports.web_tls, state, self.token.clone());
        tasks.spawn(async move {
            tokio::join!(serving, reports);
            Ok(())
        });
        Pump {
            engine: Engine::new(settings(options)),
            clock: self.clock,
            store,
            share: options.share(),
            view,
            guards: self.guards.clone(),
            changed,
            history,
            heartbeat,
            metrics: self.metrics.clone(),
            dispatcher: outgoing.dispatcher,
            feeds: Feeds::new(oldest),
            recorder: None,
            queries,
            memory,
            top: Tally::begin(self.clock.now().mono, top),
            traces,
        }
    }

    /// Serves proxies, and tells the engine what they have.
    fn serve_xds(
        &self,
        server: &Server,
        port: TcpListener,
        store: Arc<Store>,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) {
        let (sender, token) = (self.sender.clone(), self.token.clone());
        let reporting = programmed::report(store, server.proxies(), sender, token);
        tasks.spawn(reporting.map(Ok));
        let (token, serving) = (self.token.clone(), server.clone());
        tasks.spawn(async move { serving.serve(port, token).await.context("serving xDS") });
    }

    /// Tells of what gates are asked.
    fn gate_reporter(&self, view: &SharedView, notes: GateNotes) -> GateReporter {
        GateReporter {
            clock: self.clock,
            metrics: self.metrics.clone(),
            view: view.clone(),
            notes,
            engine: self.sender.clone(),
            ledger: Ledger::default(),
            counted: BTreeSet::new(),
        }
    }

    /// Looks how near memory is to its limit.
    fn keep_memory(&self, tasks: &mut JoinSet<anyhow::Result<()>>) -> watch::Receiver<Memory> {
        let (seen, memory) = watch::channel(Memory::default());
        let (metrics, token) = (self.metrics.clone(), self.token.clone());
        tasks.spawn(memory::keep(seen, metrics, self.clock, token).map(Ok));
        memory
    }

    /// Remembers what the page draws.
    fn keep_history(
        &self,
        view: &SharedView,
        memory: watch::Receiver<Memory>,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) -> (SharedHistory, HistoryFeed) {
        let kept = SharedHistory::default();
        let (feed, keeping) = history::open(
            kept.clone(),
            view.clone(),
            self.metrics.clone(),
            self.clock,
            memory,
            self.token.clone(),
        );
        tasks.spawn(keeping.map(Ok));
        (kept, feed)
    }

    /// How full everything is that has a bound.
    fn gauges(
        &self,
        options: &Run,
        server: Server,
        waiters: &Waiters,
        view: &SharedView,
        memory: &watch::Receiver<Memory>,
    ) -> Gauges {
        Gauges {
            metrics: self.metrics.clone(),
            server,
            share: options.share(),
            max_streams: options.xds.max_streams.get(),
            record_limit: options.record_limit.saturating_mul(1 << 20),
            events: self.sender.gauge(),
            events_limit: QUEUE,
            waiters: waiters.clone(),
            view: view.clone(),
            memory: memory.clone(),
        }
    }

    /// What requests are answered from.
    fn serve_state(&self, options: &Run, served: Served) -> ServeState {
        let Served {
            view,
            heartbeat,
            history,
            tokens,
            memory,
            top,
            server,
            store,
            oldest,
            notices,
            waiters,
            desk,
        } = served;
        let (metrics, clock) = (self.metrics.clone(), self.clock);
        let (seen, beats, published) = (view.clone(), heartbeat.clone(), store.clone());
        let (proxies, compared) = (server.proxies(), store);
        let gauges = Arc::new(self.gauges(options, server, &waiters, &view, &memory));
        ServeState {
            view,
            clock,
            heartbeat,
            access: Access {
                tokens,
                pace: Pace::new(options.http.rate, &metrics),
            },
            counters: Counters::new(&metrics),
            notices,
            waiters,
            desk,
            proxies: Arc::new(move |query| fleet::find(&proxies, &compared, clock, query)),
            history,
            installation: Arc::new(installation(options)),
            memory,
            top,
            skipped: Arc::new({
                let skipped = self.skipped.clone();
                move || skipped.get().iter().map(ToString::to_string).collect()
            }),
            bounds: Arc::new({
                let gauges = gauges.clone();
                move || gauges.read()
            }),
            metrics: Arc::new(move || {
                let moment = Moment {
                    now: clock.now().mono,
                    beat: beats.last(),
                };
                meter::view(&metrics, &seen.load(), moment, &published, &oldest.load());
                // What was met is counted where it is kept, and entered here.
                gauges.read();
                metrics.encode()
            }),
        }
    }
}

/// What people are told of this installation.
fn installation(options: &Run) -> Installation {
    Installation {
        cluster: options.cluster.clone(),
        namespace: options.namespace().to_owned(),
        replica: options.replica.clone(),
        link: options.link.trim_end_matches('/').to_owned(),
        directory: match &options.source {
            Source::Kube => None,
            Source::Dir(path) => Some(path.display().to_string()),
        },
        alertmanagers: options.alertmanagers.len(),
        audit: options.audit.display().to_string(),
        share: options.share(),
    }
}
