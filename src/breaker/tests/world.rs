//! A world: one circuit, its policy, and the two clocks, to be told stories in.

use crate::breaker::circuit::{Circuit, Identity, State, StateName, Trip};
use crate::breaker::config::{Begin, Config, Flap, Missing, Probe, Rule, Test, Wait};
use crate::breaker::enforced::{Enforced, enforced};
use crate::breaker::sample::{ObservationId, Reading, Unknown, Value};
use crate::breaker::step::step;
use crate::breaker::time::{Mono, Now, Span, Wall};
use crate::breaker::types::{Change, Context, Effect, Input, Legality, Reason, Report};
use crate::breaker::wake::next_wake;

/// Above the limit.
pub(super) const BAD: f64 = 300.0;
/// Below `clear`.
pub(super) const GOOD: f64 = 100.0;
/// Between `clear` and limit.
pub(super) const BETWEEN: f64 = 220.0;

pub(super) const START: Now = Now {
    mono: Mono(2_592_000_000),
    wall: Wall(1_700_000_000_000),
};

pub(super) struct World {
    pub(super) circuit: Circuit,
    pub(super) config: Config,
    pub(super) context: Context,
    pub(super) report: Report,
    ids: u64,
}

pub(super) fn identity() -> Identity {
    Identity::new("policy-1", "object-1")
}

pub(super) fn latency() -> Rule {
    Rule {
        condition: "network-latency".into(),
        test: Test::Above {
            limit: 250.0,
            clear: Some(200.0),
        },
        missing: Missing::Unknown,
        stale_after: Some(Span::from_secs(90)),
    }
}

/// The defaults of the API, with one rule.
pub(super) fn defaults() -> Config {
    Config {
        rules: vec![latency()],
        consecutive: 3,
        within: Span::from_secs(600),
        at_least: Span(0),
        resample: Some(Span::from_secs(30)),
        illegal_is_bad: true,
        open: Wait {
            minimum: Span::from_secs(60),
            maximum: Span::from_secs(1_800),
        },
        half_open: Probe {
            admit_percent: vec![10, 50],
            begin: Begin::Timer,
            settle: Span::from_secs(15),
            successes: 3,
            timeout: Span::from_secs(300),
        },
        flap: Flap {
            trips: 5,
            within: Span::from_secs(3_600),
        },
    }
}

pub(super) fn world() -> World {
    World::of(defaults())
}

/// One where only new observations count.
pub(super) fn world_without_resampling() -> World {
    World::of(Config {
        resample: None,
        ..defaults()
    })
}

impl World {
    pub(super) fn of(config: Config) -> Self {
        let missing = Reading {
            id: ObservationId(0),
            observed_at: None,
            value: Err(Unknown::Missing),
        };
        Self {
            circuit: Circuit::new(identity()),
            report: Report {
                readings: vec![missing; config.rules.len()],
                legality: Legality {
                    legal: true,
                    id: ObservationId(0),
                },
            },
            config,
            context: Context {
                now: START,
                confirmed_since: Some(START.mono),
                may_open: true,
                siblings_ready: true,
                leads: true,
            },
            ids: 0,
        }
    }

    pub(super) fn input(&mut self, input: Input<'_>) -> Vec<Effect> {
        let (circuit, effects) = step(self.circuit.clone(), &self.config, self.context, input);
        self.circuit = circuit;
        effects
    }

    pub(super) fn tick(&mut self) -> Vec<Effect> {
        self.input(Input::Tick)
    }

    /// The same object seen again, with nothing new.
    pub(super) fn resync(&mut self) -> Vec<Effect> {
        let report = self.report.clone();
        self.input(Input::Report(&report))
    }

    pub(super) fn fresh_id(&mut self) -> ObservationId {
        self.ids += 1;
        ObservationId(self.ids)
    }

    /// A new observation of one rule's condition.
    pub(super) fn observe_rule(
        &mut self,
        rule: usize,
        value: Result<Value, Unknown>,
        observed_at: Option<Wall>,
    ) -> Vec<Effect> {
        let id = self.fresh_id();
        self.report.readings[rule] = Reading {
            id,
            observed_at,
            value,
        };
        self.report.legality.id = id;
        self.resync()
    }

    /// A new observation of the first rule's condition.
    pub(super) fn observe(&mut self, value: f64) -> Vec<Effect> {
        self.observe_rule(0, Ok(Value::Number(value)), None)
    }

    /// A new observation that carries its own time.
    pub(super) fn observe_at(&mut self, value: f64, observed_at: Wall) -> Vec<Effect> {
        self.observe_rule(0, Ok(Value::Number(value)), Some(observed_at))
    }

    /// An update that changes no condition, and keeps the contract or not.
    pub(super) fn update(&mut self, legal: bool) -> Vec<Effect> {
        let id = self.fresh_id();
        self.report.legality = Legality { legal, id };
        self.resync()
    }

    /// Lets both clocks run on, and nobody look.
    pub(super) fn pass(&mut self, span: Span) {
        self.context.now.mono = self.context.now.mono + span;
        self.context.now.wall = self.context.now.wall + span;
    }

    pub(super) fn pass_secs(&mut self, seconds: u64) {
        self.pass(Span::from_secs(seconds));
    }

    /// Lets both clocks run on, ticking whenever the circuit wants it.
    pub(super) fn run(&mut self, span: Span) -> Vec<Effect> {
        let end = self.context.now.mono + span;
        let mut effects = Vec::new();
        while let Some(wake) = self.wake().filter(|wake| *wake <= end) {
            self.pass(wake.since(self.context.now.mono));
            effects.extend(self.tick());
        }
        self.pass(end.since(self.context.now.mono));
        effects
    }

    pub(super) fn run_secs(&mut self, seconds: u64) -> Vec<Effect> {
        self.run(Span::from_secs(seconds))
    }

    /// Runs until the state is this; fails after a day.
    pub(super) fn run_until(&mut self, name: StateName) -> Vec<Effect> {
        let mut effects = Vec::new();
        for _ in 0..86_400 {
            if self.state() == name {
                return effects;
            }
            effects.extend(self.run_secs(1));
        }
        panic!("never became {name:?}: {:?}", self.circuit);
    }

    pub(super) fn wake(&self) -> Option<Mono> {
        next_wake(&self.circuit, &self.config, self.context.confirmed_since)
    }

    pub(super) fn lose_watch(&mut self) {
        self.context.confirmed_since = None;
    }

    pub(super) fn confirm_watch(&mut self) {
        self.context.confirmed_since = Some(self.context.now.mono);
    }

    pub(super) fn state(&self) -> StateName {
        self.circuit.state.name()
    }

    pub(super) fn trip(&self) -> Trip {
        self.circuit.state.trip().expect("not Closed").clone()
    }

    pub(super) fn until(&self) -> Mono {
        match self.circuit.state {
            State::Open { until, .. } => until,
            _ => panic!("not Open: {:?}", self.circuit.state),
        }
    }

    pub(super) fn step_index(&self) -> u8 {
        match self.circuit.state {
            State::HalfOpen { step, .. } => step,
            _ => panic!("not HalfOpen: {:?}", self.circuit.state),
        }
    }

    pub(super) fn successes(&self) -> u32 {
        match self.circuit.state {
            State::HalfOpen { successes, .. } => successes,
            _ => panic!("not HalfOpen: {:?}", self.circuit.state),
        }
    }

    pub(super) fn enforced(&self) -> Enforced {
        enforced(&self.circuit, &self.config)
    }

    /// Three new Bad observations a second apart.
    pub(super) fn trip_by_breach(&mut self) -> Vec<Effect> {
        self.observe(BAD);
        self.pass_secs(1);
        self.observe(BAD);
        self.pass_secs(1);
        self.observe(BAD)
    }

    /// Three new illegal updates a second apart.
    pub(super) fn trip_by_illegal(&mut self) -> Vec<Effect> {
        self.update(false);
        self.pass_secs(1);
        self.update(false);
        self.pass_secs(1);
        self.update(false)
    }

    /// Tripped by a breach, gone silent, and waited until `HalfOpen`.
    pub(super) fn half_open(mut self) -> Self {
        self.trip_by_breach();
        self.observe_rule(0, Err(Unknown::Missing), None);
        self.run_until(StateName::HalfOpen);
        self
    }
}

/// The changes among effects, as (from, to, reason).
pub(super) fn changes(effects: &[Effect]) -> Vec<(StateName, StateName, Reason)> {
    let changes = effects.iter().filter_map(|effect| match effect {
        Effect::Changed(Change {
            from, to, reason, ..
        }) => Some((*from, *to, *reason)),
        _ => None,
    });
    changes.collect()
}
