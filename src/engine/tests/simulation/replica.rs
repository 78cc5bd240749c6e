//! A replica: an engine and what its process knows, its clocks, and how far its watches have come.

use std::collections::BTreeMap;
use std::sync::Arc;

use fusegate_xds::version::Version;

use super::agenda::{Act, CLASSES, Deed, Feed, Sender, Status, Time};
use super::store::OBJECTS;
use crate::breaker::sample::Value;
use crate::breaker::time::{Mono, Now, Wall};
use crate::engine::settings::Capacity;
use crate::engine::tests::world::T0;
use crate::engine::{Engine, Settings};
use crate::policy::layer::{LayerName, RuntimeValue};
use crate::wire::effect::{Alert, Effect};
use crate::wire::event::Event;
use crate::wire::view::CircuitView;

pub(super) struct Replica {
    pub(super) index: usize,
    pub(super) incarnation: u32,
    pub(super) up: bool,
    pub(super) frozen_until: Time,
    /// What it would have done meanwhile.
    pub(super) postponed: Vec<Deed>,
    /// When each class of deeds goes on after that.
    pub(super) resumes: [Time; CLASSES],
    pub(super) cut: bool,
    /// What it has sent since, and its machine goes on sending until it arrives, whether or not the process still waits.
    pub(super) stuck: Vec<Act>,
    /// How far its wall clock is ahead.
    pub(super) skew: i64,
    pub(super) engine: Engine,
    pub(super) inbox: Vec<Event>,
    /// When it read its contract, without which it knows no objects to list.
    pub(super) configured: Option<Time>,
    pub(super) watches: [Watch; 2],
    pub(super) election: Election,
    /// What the dispatcher knows of the lease, and how often it has heard that it changed.
    pub(super) leads: bool,
    pub(super) term: u32,
    pub(super) writer: Writer,
    pub(super) held: Option<Held>,
    pub(super) holds: u32,
    /// Until then what took no writes is not waited for.
    pub(super) slow_until: Time,
    pub(super) alerts: BTreeMap<String, Alert>,
    /// When the last message of its alerts arrives.
    pub(super) paged_until: Time,
    /// What it answers Envoys, once it answers.
    pub(super) shown: Option<Arc<Shown>>,
    /// The version of each layer that it has published.
    pub(super) layers: Arc<BTreeMap<String, Version>>,
    pub(super) turn_due: Option<Time>,
}

/// How far a watch has come in the log.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watch {
    pub(super) session: u32,
    /// It has been listed, so that there is something to go on from.
    pub(super) listed: bool,
    pub(super) open: bool,
    pub(super) position: usize,
    /// When the last change arrives.
    pub(super) last: Time,
}

impl Watch {
    /// Whether nothing of the log is on its way.
    pub(super) fn caught_up(&self, at: Time) -> bool {
        self.open && self.last < at
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Election {
    /// The lease's version as it was written last, and when that was asked.
    pub(super) held: Option<(u64, Time)>,
    /// It holds the lease, and leads once it has the statuses.
    pub(super) begins: bool,
    /// How often it has begun.
    pub(super) beginning: u32,
    pub(super) seen: Option<(u64, Time)>,
    pub(super) failing: bool,
    pub(super) round: u32,
    pub(super) asked: Time,
    pub(super) waiting: bool,
}

/// The statuses on their way: of one policy the newest.
#[derive(Clone, Debug, Default)]
pub(super) struct Writer {
    pub(super) waiting: Option<Status>,
    pub(super) flying: Option<Status>,
    pub(super) written: Option<Status>,
    pub(super) known: Option<u64>,
    pub(super) attempt: u32,
    pub(super) rounds: u32,
    /// The term in which the one that flies began.
    pub(super) term: u32,
    /// It failed, and is tried again later.
    pub(super) pausing: bool,
}

/// A turn that waits for a write.
pub(super) struct Held {
    pub(super) number: u32,
    pub(super) published: Option<Published>,
    pub(super) effects: Vec<Effect>,
}

pub(super) struct Published {
    pub(super) shown: Option<Arc<Shown>>,
    pub(super) layers: Arc<BTreeMap<String, Version>>,
}

/// What of each object's cluster is shed.
pub(super) type Shown = [Shed; OBJECTS.len()];

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shed {
    pub(super) percent: f64,
    /// The trip that the circuit is not Closed by, and the value that tripped it.
    pub(super) trip: String,
    pub(super) value: u64,
}

impl Replica {
    pub(super) fn new(index: usize, skew: i64) -> Self {
        Self {
            index,
            incarnation: 0,
            up: false,
            frozen_until: 0,
            postponed: Vec::new(),
            resumes: [0; CLASSES],
            cut: false,
            stuck: Vec::new(),
            skew,
            engine: engine(),
            inbox: Vec::new(),
            configured: None,
            watches: [Watch::default(); 2],
            election: Election::default(),
            leads: false,
            term: 0,
            writer: Writer::default(),
            held: None,
            holds: 0,
            slow_until: 0,
            alerts: BTreeMap::new(),
            paged_until: 0,
            shown: None,
            layers: Arc::default(),
            turn_due: None,
        }
    }

    /// The same machine with a new process.
    pub(super) fn restarted(&self) -> Self {
        Self {
            incarnation: self.incarnation + 1,
            up: true,
            cut: self.cut,
            stuck: self.stuck.clone(),
            ..Self::new(self.index, self.skew)
        }
    }

    pub(super) fn sender(&self) -> Sender {
        Sender {
            replica: self.index,
            incarnation: self.incarnation,
        }
    }

    pub(super) fn now(&self, at: Time) -> Now {
        let began = 3_000_000_000 + 77_777 * self.index as u64;
        Now {
            mono: Mono(began + at),
            wall: Wall(T0 + i64::try_from(at).unwrap() + self.skew),
        }
    }

    /// True time of a moment on its monotonic clock.
    pub(super) fn true_time(&self, mono: Mono) -> Time {
        mono.0.saturating_sub(self.now(0).mono.0)
    }

    pub(super) fn watch(&mut self, feed: Feed) -> &mut Watch {
        &mut self.watches[usize::from(feed == Feed::Objects)]
    }

    /// Until when it leads, as far as it knows.
    pub(super) fn tenure(&self) -> Time {
        self.election
            .held
            .map_or(0, |(_, asked)| asked + super::election::HELD)
    }

    /// What Envoy is told to shed now, if it is told anything yet.
    pub(super) fn told(&self) -> Option<Shown> {
        let publisher = &self.engine.out.publisher;
        let layer = LayerName::try_new("shop").unwrap();
        let answered = publisher.published.contains(&layer)
            || (publisher.open && !publisher.withheld.contains(&layer));
        let keys = publisher.layers.render(&layer).keys;
        answered.then(|| {
            std::array::from_fn(|object| {
                let key = format!("upstream.maintenance_mode.shop-{}", OBJECTS[object]);
                let percent = match keys.get(&*key) {
                    Some(RuntimeValue::Number(percent)) => *percent,
                    _ => 0.0,
                };
                let (trip, value) = self.trip(object);
                Shed {
                    percent,
                    trip,
                    value,
                }
            })
        })
    }

    /// The trip that an object's circuit is not Closed by, if there is one, and the value that tripped it.
    pub(super) fn trip(&self, object: usize) -> (String, u64) {
        let circuit = self.circuit(object);
        let trip = circuit.as_ref().and_then(|circuit| circuit.trip);
        let tripped = circuit.and_then(|circuit| circuit.tripped.clone());
        let value = tripped.and_then(|tripped| match tripped.value {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a small whole number"
            )]
            Some(Value::Number(millis)) => Some(millis as u64),
            _ => None,
        });
        let trip = trip.map_or_else(String::new, |trip| trip.to_string());
        (trip, value.unwrap_or(0))
    }

    /// The state of an object's circuit, as a gate would have it.
    pub(super) fn state(&self, object: usize) -> &'static str {
        self.circuit(object)
            .map_or("none", |circuit| circuit.state.name())
    }

    fn circuit(&self, object: usize) -> Option<Arc<CircuitView>> {
        let key = (Arc::from("shop"), Arc::from("checkout"));
        let policy = self.engine.out.view.policies.get(&key)?;
        policy.circuits.get(OBJECTS[object]).cloned()
    }
}

fn engine() -> Engine {
    Engine::new(Settings {
        cluster: "test".into(),
        link: "http://fusegate".into(),
        namespace: "fusegate-system".into(),
        capacity: Capacity::default(),
        shard: None,
    })
}
