//! Turns: what the product's pump does with the engine, without the pump's channels and threads.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fusegate::breaker::time::{Mono, Now, Wall};
use fusegate::effects::audit::json::Writer;
use fusegate::engine::output::Output;
use fusegate::engine::settings::Capacity;
use fusegate::engine::{Engine, Settings};
use fusegate::wire::effect::Effect;
use fusegate::wire::event::{Event, Feed};
use fusegate::wire::view::View;
use fusegate_xds::resource::Resource;

use crate::shop;
use crate::statuses::T0;

/// The most events of one turn, as in the product.
pub(crate) const BURST: usize = 1_024;

/// An engine, and what is held of what it gave out: the newest view and the published layers.
pub(crate) struct Turns {
    engine: Engine,
    pub(crate) now: Now,
    writer: Writer,
    lines: Vec<u8>,
    view: Arc<View>,
    layers: BTreeMap<Arc<str>, Resource>,
    /// Audit lines written.
    pub(crate) lines_written: usize,
    /// Bytes of audit lines written.
    pub(crate) bytes_written: usize,
    /// Samples stepped: how often a circuit was stepped.
    pub(crate) steps: u64,
    /// Times that a circuit changed its state.
    pub(crate) moves: usize,
}

impl Turns {
    pub(crate) fn new() -> Self {
        let settings = Settings {
            cluster: "bench".into(),
            link: "http://fusegate".into(),
            namespace: "fusegate-system".into(),
            capacity: Capacity::default(),
            shard: None,
        };
        Self {
            engine: Engine::new(settings),
            now: Now {
                mono: Mono(30 * 24 * 3_600_000),
                wall: Wall(T0),
            },
            writer: Writer::default(),
            lines: Vec::with_capacity(1 << 20),
            view: Arc::default(),
            layers: BTreeMap::new(),
            lines_written: 0,
            bytes_written: 0,
            steps: 0,
            moves: 0,
        }
    }

    /// One turn: takes the events, lets time pass, and carries out what was decided, as far as
    /// that is done on the product's pump, and the audit lines. How long it took.
    pub(crate) fn turn(&mut self, events: impl IntoIterator<Item = Event>) -> Duration {
        let begin = Instant::now();
        for event in events {
            self.engine.handle(self.now, event);
        }
        self.engine.tick(self.now);
        let output = self.engine.flush(self.now);
        self.hand_out(output);
        begin.elapsed()
    }

    /// Lets time pass on both clocks, and the watch confirm itself.
    pub(crate) fn pass(&mut self, millis: u32) {
        self.now.mono = Mono(self.now.mono.0 + u64::from(millis));
        self.now.wall = Wall(self.now.wall.0 + i64::from(millis));
        let confirmed = Event::Confirmed(Feed::Objects(shop::kind()));
        self.engine.handle(self.now, confirmed);
    }

    fn hand_out(&mut self, output: Output) {
        for resource in output.publication.put {
            self.layers.insert(Arc::clone(resource.name()), resource);
        }
        if let Some(view) = output.view {
            self.view = Arc::new(view);
        }
        self.lines.clear();
        for effect in output.effects {
            if let Effect::Audit(line) = effect {
                self.writer.line(&line, &mut self.lines);
                self.lines_written += 1;
            } else {
                black_box(effect);
            }
        }
        self.bytes_written += black_box(&self.lines).len();
        self.steps += output.counts.steps;
        self.moves += output.counts.moves.len();
    }
}
