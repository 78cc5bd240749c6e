//! The player: runs an engine, a store and a tally as the pump does.

use std::fmt;
use std::io::{self, Write};

use fusegate_xds::{Store, TypeUrl};

use crate::app::publish;
use crate::app::replay::moment::moment;
use crate::breaker::time::{Mono, Now, Wall};
use crate::engine::settings::Capacity;
use crate::engine::{Engine, Settings};
use crate::recording::digest::Digest;
use crate::recording::line::{Header, Turn};
use crate::recording::tally::Tally;
use crate::runtime::shard::Share;
use crate::wire::effect::Effect;

/// Replays turns.
pub(super) struct Player {
    engine: Engine,
    pub(super) store: Store,
    pub(super) tally: Tally,
    /// The effects of the last turn.
    pub(super) effects: Vec<Effect>,
    turns: u64,
    events: u64,
    first: Option<i64>,
    last: i64,
}

/// A turn whose output differs from the recording.
pub(super) struct Difference {
    turn: u64,
    wall: i64,
    parts: Vec<Part>,
}

/// What differs: a text, the recorded digest, and the new one.
type Part = (&'static str, Option<Digest>, Option<Digest>);

impl Player {
    pub(super) fn new(header: &Header) -> Self {
        let settings = Settings {
            cluster: header.cluster.as_str().into(),
            namespace: header.namespace.as_str().into(),
            link: header.link.as_str().into(),
            capacity: Capacity::default(),
            shard: header.shard.as_deref().map(Into::into),
        };
        Self {
            engine: Engine::new(settings),
            store: publish::store(),
            tally: Tally::default(),
            effects: Vec::new(),
            turns: 0,
            events: 0,
            first: None,
            last: 0,
        }
    }

    /// Plays a turn, and compares its output with the recording.
    pub(super) fn turn(&mut self, turn: Turn) -> Option<Difference> {
        let now = Now {
            mono: Mono(turn.mono),
            wall: Wall(turn.wall),
        };
        self.turns += 1;
        self.events += turn.events.len() as u64;
        self.first.get_or_insert(turn.wall);
        self.last = turn.wall;
        self.tally.begin();
        for event in turn.events {
            self.engine.handle(now, event);
        }
        self.engine.tick(now);
        let output = self.engine.flush(now);
        self.tally.publication(&output.publication);
        if publish::publish(&self.store, &Share::default(), output.publication) {
            self.tally.published(publish::version(&self.store));
        }
        self.tally.effects(&output.effects);
        self.effects = output.effects;
        let produced = [
            ("its audit lines differ", turn.audit, self.tally.audit()),
            (
                "what it published differs",
                turn.snapshot,
                self.tally.snapshot(),
            ),
        ];
        let parts: Vec<Part> = produced
            .into_iter()
            .filter(|(_, recorded, replayed)| recorded != replayed)
            .collect();
        (!parts.is_empty()).then_some(Difference {
            turn: turn.number,
            wall: turn.wall,
            parts,
        })
    }

    /// Writes how much was replayed, and the result.
    pub(super) fn summary(&self, told: &mut impl Write) -> io::Result<()> {
        let snapshot = self.store.snapshot();
        let layers = snapshot.collection(&TypeUrl::RUNTIME);
        let layers = layers.map_or(0, |layers| layers.resources().len());
        let (turns, events) = (self.turns, self.events);
        let (first, last) = (moment(self.first.unwrap_or(self.last)), moment(self.last));
        let (lines, digest) = (self.tally.line_count(), self.tally.audit_so_far());
        let version = publish::version(&self.store);
        writeln!(
            told,
            "replayed {turns} turns with {events} events, from {first} to {last}"
        )?;
        writeln!(told, "audit: {lines} lines, digest {digest}")?;
        writeln!(told, "snapshot: {layers} layers, version {version}")
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (turn, time) = (self.turn, moment(self.wall));
        write!(f, "turn {turn} at {time} differs from the recording")?;
        for (what, recorded, replayed) in &self.parts {
            let (recorded, replayed) = (shown(*recorded), shown(*replayed));
            write!(f, "; {what} (recorded {recorded}, replayed {replayed})")?;
        }
        Ok(())
    }
}

fn shown(digest: Option<Digest>) -> String {
    digest.map_or_else(|| "none".to_owned(), |digest| digest.to_string())
}
