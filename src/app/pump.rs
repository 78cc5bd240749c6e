//! The pump: feeds events to the engine, and hands out what it decided.
//!
//! It is the only task that runs the engine. It publishes first and dispatches effects
//! after, so that no proxy waits for an API server. But a process that dies in between must not let go of what a trip
//! sheds: where nothing that is written down would have it tripped again, it is written down first, for a quarter of a
//! second at most.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use fusegate_xds::Store;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::app::feeds::Feeds;
use crate::app::history::HistoryFeed;
use crate::app::queries::QueryBoard;
use crate::app::top::Tally;
use crate::app::traces::Traces;
use crate::app::{meter, publish};
use crate::breaker::time::{Mono, Now, Span};
use crate::effects::dispatch::Dispatcher;
use crate::engine::Engine;
use crate::engine::output::{Output, Publication};
use crate::recording::recorder::Recorder;
use crate::runtime::clock::Clock;
use crate::runtime::memory::pressure::{Level, Memory};
use crate::runtime::metrics::Metrics;
use crate::runtime::sampler::Sampled;
use crate::runtime::shard::Share;
use crate::serve::state::Heartbeat;
use crate::serve::webhook::SharedGuards;
use crate::source::queue::{Queued, Receiver};
use crate::wire::event::Event;
use crate::wire::view::SharedView;

/// The most events per turn: enough to publish a burst at once, few enough that a flood delays
/// no timer noticeably.
const BURST: usize = 1_024;

/// The longest sleep of the engine, so that missing confirmations are noticed.
const BEAT: Span = Span(1_000);

/// The engine, and everything that the pump hands its output to.
pub(super) struct Pump {
    pub(super) engine: Engine,
    pub(super) clock: Clock,
    pub(super) store: Arc<Store>,
    pub(super) share: Share,
    pub(super) view: SharedView,
    pub(super) guards: SharedGuards,
    /// Tells those who wait for another view.
    pub(super) changed: watch::Sender<()>,
    /// What the page remembers.
    pub(super) history: HistoryFeed,
    pub(super) heartbeat: Heartbeat,
    pub(super) metrics: Metrics,
    pub(super) dispatcher: Dispatcher,
    pub(super) feeds: Feeds,
    pub(super) recorder: Option<Recorder>,
    pub(super) queries: QueryBoard,
    pub(super) memory: watch::Receiver<Memory>,
    pub(super) top: Tally,
    pub(super) traces: Option<Traces>,
}

impl Pump {
    /// Runs until shutdown, or until all senders are gone; returns what must be drained.
    pub(super) async fn run(
        mut self,
        mut events: Receiver,
        shutdown: CancellationToken,
    ) -> (Dispatcher, Option<Recorder>) {
        let mut burst = Vec::with_capacity(BURST);
        loop {
            let wake = self.wake();
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                taken = events.recv_many(&mut burst, BURST) => if taken == 0 { break },
                () = sleep_until(wake) => {}
            }
            self.turn(&mut burst).await;
        }
        self.finish(&mut events, &mut burst).await;
        (self.dispatcher, self.recorder)
    }

    /// Takes what has arrived, and writes down what waited for its pace: an orderly stop forgets nothing.
    async fn finish(&mut self, events: &mut Receiver, burst: &mut Vec<Queued>) {
        tokio::select! {
            biased;
            _ = events.recv_many(burst, BURST) => {}
            () = ready(()) => {}
        }
        self.turn(burst).await;
        for effect in self.engine.write_statuses(self.clock.now()) {
            self.dispatcher.dispatch(effect);
        }
    }

    async fn turn(&mut self, burst: &mut Vec<Queued>) {
        let taken = self.clock.elapsed();
        let now = self.clock.now();
        if let Some(recorder) = &mut self.recorder {
            recorder.begin(now);
        }
        if let Some(traces) = &mut self.traces {
            traces.begin(taken, burst.len());
        }
        if self.memory.has_changed().unwrap_or_default() {
            let short = self.memory.borrow_and_update().level == Level::Short;
            self.take(now, Event::MemoryShort(short), None);
        }
        if self.dispatcher.has_lapsed() {
            // The news of it is on its way; nothing is decided as the leader before that has come.
            self.take(now, Event::Leading(false), None);
        }
        for Queued { event, sampled, .. } in burst.drain(..) {
            self.take(now, event, sampled);
        }
        self.engine.tick(now);
        let output = self.engine.flush(now);
        self.hand_out(now, taken, output).await;
    }

    fn take(&mut self, now: Now, event: Event, sampled: Option<Box<Sampled>>) {
        if let Event::Leading(leads) = &event {
            self.dispatcher.set_leading(*leads);
        }
        meter::event(&self.metrics, &event);
        self.top.event(&event);
        self.feeds.log(&event);
        if let Event::Confirmed(feed) = &event {
            self.feeds.confirm(now.mono, feed, &self.view.load());
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.event(&event);
        }
        match &mut self.traces {
            Some(traces) => traces.take(&mut self.engine, now, event, sampled),
            None => self.engine.handle(now, event),
        }
    }

    async fn hand_out(&mut self, now: Now, taken: Duration, mut output: Output) {
        let publishes = output.publication.is_news();
        if let Some(recorder) = &mut self.recorder {
            recorder.publication(&output.publication);
            recorder.effects(&output.effects);
        }
        self.history
            .note(now.wall, std::mem::take(&mut output.seen), &output.effects);
        self.top.turn(now.mono, &output.effects);
        if let Some(traces) = &mut self.traces {
            traces.decided(&mut output);
        }
        self.dispatcher.begin(&mut output.effects, publishes).await;
        self.publish(taken, output.publication);
        if let Some(view) = output.view {
            self.view.store(Arc::new(view));
            self.changed.send_replace(());
        }
        if let Some(queries) = output.queries {
            self.queries.want(queries);
        }
        self.queries.count(&output.counts.queries);
        if let Some(guards) = output.guards {
            self.guards.store(guards);
        }
        meter::counts(&self.metrics, &output.counts);
        if let Some(recorder) = &mut self.recorder {
            recorder.end();
        }
        self.dispatcher.go_on(&mut output.effects, publishes).await;
        for effect in output.effects {
            self.dispatcher.dispatch(effect);
        }
        self.heartbeat.beat(now.mono);
    }

    fn publish(&mut self, taken: Duration, publication: Publication) {
        if let Some(traces) = &mut self.traces {
            traces.publish(&self.store, &publication);
        }
        if publish::publish(&self.store, &self.share, publication) {
            self.metrics.publishes.inc();
            let reaction = self.clock.elapsed().saturating_sub(taken);
            self.metrics
                .reaction_seconds
                .observe(reaction.as_secs_f64());
            if let Some(recorder) = &mut self.recorder {
                recorder.published(publish::version(&self.store));
            }
        }
        if let Some(traces) = &mut self.traces {
            traces.end();
        }
    }

    fn wake(&self) -> Instant {
        let latest = self.clock.now().mono + BEAT;
        let wake: Mono = self
            .engine
            .next_wake()
            .map_or(latest, |wake| wake.min(latest));
        Instant::from_std(self.clock.instant_of(wake))
    }
}
