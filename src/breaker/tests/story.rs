//! Random stories and policies, for what must hold of all of them.

use proptest::prelude::{Just, Strategy, any, prop_oneof};

use crate::breaker::circuit::{Circuit, Forced};
use crate::breaker::config::{Begin, Config, Flap, Missing, Probe, Rule, Test, Wait};
use crate::breaker::sample::{ObservationId, Reading, Unknown, Value};
use crate::breaker::step::step;
use crate::breaker::tests::world::{BAD, BETWEEN, GOOD, START, identity};
use crate::breaker::time::{Mono, Span, Wall};
use crate::breaker::types::{Context, Effect, Input, Legality, Report};
use crate::breaker::wake::next_wake;

/// What a story is made of.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Pass(u64),
    Observe(usize, Option<Value>, Option<i64>),
    Repeat,
    Update(bool),
    Tick,
    Wake,
    Force(Option<Forced>),
    Reconfigured,
    Reset,
    Removed,
    Confirm(bool),
    MayOpen(bool),
    Siblings(bool),
    Lead(bool),
    WallJumps(i64),
}

/// Where a story stands.
#[derive(Clone)]
pub(super) struct Stage {
    pub(super) circuit: Circuit,
    pub(super) context: Context,
    pub(super) report: Report,
    ids: u64,
}

impl Stage {
    pub(super) fn new(rules: usize) -> Self {
        let reading = Reading {
            id: ObservationId(0),
            observed_at: None,
            value: Err(Unknown::Missing),
        };
        Self {
            circuit: Circuit::new(identity()),
            context: Context {
                now: START,
                confirmed_since: Some(START.mono),
                may_open: true,
                siblings_ready: true,
                leads: true,
            },
            report: Report {
                readings: vec![reading; rules],
                legality: Legality {
                    legal: true,
                    id: ObservationId(0),
                },
            },
            ids: 0,
        }
    }

    pub(super) fn input(&mut self, config: &Config, input: Input<'_>) -> Vec<Effect> {
        let (circuit, effects) = step(self.circuit.clone(), config, self.context, input);
        self.circuit = circuit;
        effects
    }

    pub(super) fn pass(&mut self, span: Span) {
        self.context.now.mono = self.context.now.mono + span;
        self.context.now.wall = self.context.now.wall + span;
    }

    pub(super) fn play(&mut self, config: &Config, act: &Act) -> Vec<Effect> {
        match act {
            Act::Pass(span) => self.pass(Span(*span)),
            Act::Confirm(confirmed) => {
                self.context.confirmed_since = confirmed.then_some(self.context.now.mono);
            }
            Act::MayOpen(may_open) => self.context.may_open = *may_open,
            Act::Siblings(ready) => self.context.siblings_ready = *ready,
            Act::Lead(leads) => self.context.leads = *leads,
            Act::WallJumps(by) => {
                self.context.now.wall = Wall(self.context.now.wall.0.saturating_add(*by));
            }
            Act::Tick => return self.input(config, Input::Tick),
            Act::Wake => {
                if let Some(wake) = self.wake(config).filter(|wake| wake.0 < u64::MAX / 2) {
                    self.pass(wake.since(self.context.now.mono));
                }
                return self.input(config, Input::Tick);
            }
            Act::Force(forced) => return self.input(config, Input::Force(*forced)),
            Act::Reconfigured => return self.input(config, Input::Reconfigured),
            Act::Reset => return self.input(config, Input::Reset),
            Act::Removed => return self.input(config, Input::Removed),
            Act::Observe(rule, value, offset) => {
                self.observe(*rule, value.clone(), *offset);
                return self.see(config);
            }
            Act::Update(legal) => {
                self.ids += 1;
                self.report.legality.id = ObservationId(self.ids);
                self.report.legality.legal = *legal;
                return self.see(config);
            }
            Act::Repeat => return self.see(config),
        }
        Vec::new()
    }

    pub(super) fn observe(&mut self, rule: usize, value: Option<Value>, offset: Option<i64>) {
        self.ids += 1;
        let wall = self.context.now.wall.0;
        let rules = self.report.readings.len().max(1);
        if let Some(reading) = self.report.readings.get_mut(rule % rules) {
            *reading = Reading {
                id: ObservationId(self.ids),
                observed_at: offset.map(|offset| Wall(wall.saturating_add(offset))),
                value: value.ok_or(Unknown::Missing),
            };
        }
    }

    pub(super) fn see(&mut self, config: &Config) -> Vec<Effect> {
        let report = self.report.clone();
        self.input(config, Input::Report(&report))
    }

    pub(super) fn wake(&self, config: &Config) -> Option<Mono> {
        next_wake(&self.circuit, config, self.context.confirmed_since)
    }
}

pub(super) fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => Just(BAD),
        6 => Just(GOOD),
        2 => Just(BETWEEN),
        1 => any::<f64>(),
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY)],
    ]
}

pub(super) fn value() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        12 => number().prop_map(|number| Some(Value::Number(number))),
        1 => any::<bool>().prop_map(|truth| Some(Value::Bool(truth))),
        1 => Just(Some(Value::Text("red".into()))),
        1 => Just(None),
    ]
}

pub(super) fn offset() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![
        8 => Just(None),
        4 => (-100_000_i64..40_000).prop_map(Some),
        1 => any::<i64>().prop_map(Some),
    ]
}

pub(super) fn timeless_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0_usize..3, value()).prop_map(|(rule, value)| Act::Observe(rule, value, None)),
        4 => (0_u64..90_000).prop_map(Act::Pass),
        8 => Just(Act::Wake),
        2 => Just(Act::Tick),
        2 => Just(Act::Repeat),
        2 => any::<bool>().prop_map(Act::Update),
        1 => prop_oneof![
            Just(None),
            Just(Some(Forced::Open)),
            Just(Some(Forced::Closed)),
            Just(Some(Forced::Observe)),
        ]
        .prop_map(Act::Force),
        1 => prop_oneof![Just(Act::Reconfigured), Just(Act::Reset), Just(Act::Removed)],
        2 => any::<bool>().prop_map(Act::Confirm),
        1 => any::<bool>().prop_map(Act::MayOpen),
        1 => any::<bool>().prop_map(Act::Siblings),
        1 => any::<bool>().prop_map(Act::Lead),
    ]
}

/// A moment for an Age, near the beginning or absurd.
pub(super) fn since() -> impl Strategy<Value = Option<Value>> {
    let moment = prop_oneof![
        4 => (-600_000_i64..60_000).prop_map(|offset| START.wall.0 + offset),
        1 => any::<i64>(),
    ];
    moment.prop_map(|moment| Some(Value::Since(Wall(moment))))
}

pub(super) fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => timeless_act(),
        2 => (0_usize..3, since()).prop_map(|(rule, value)| Act::Observe(rule, value, None)),
        4 => (0_usize..3, value(), offset())
            .prop_map(|(rule, value, offset)| Act::Observe(rule, value, offset)),
        1 => any::<i64>().prop_map(Act::WallJumps),
        1 => (-100_000_i64..100_000).prop_map(Act::WallJumps),
        1 => any::<u64>().prop_map(Act::Pass),
    ]
}

/// Without jumps of any clock, with reporters whose clocks aren't behind, and with nothing that takes the watch or the lead away.
pub(super) fn steady_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0_usize..3, value(), prop_oneof![Just(None), (0_i64..40_000).prop_map(Some)])
            .prop_map(|(rule, value, offset)| Act::Observe(rule, value, offset)),
        4 => (0_u64..90_000).prop_map(Act::Pass),
        8 => Just(Act::Wake),
        2 => Just(Act::Repeat),
        2 => any::<bool>().prop_map(Act::Update),
    ]
}

pub(super) fn test() -> impl Strategy<Value = Test> {
    prop_oneof![
        6 => Just(Test::Above { limit: 250.0, clear: Some(200.0) }),
        1 => Just(Test::Above { limit: 250.0, clear: None }),
        1 => Just(Test::Above { limit: 60_000.0, clear: Some(30_000.0) }),
        1 => (any::<f64>(), any::<f64>())
            .prop_map(|(limit, clear)| Test::Below { limit, clear: Some(clear) }),
        1 => Just(Test::Equals(Value::Number(BAD))),
        1 => Just(Test::NotEquals(Value::Bool(true))),
        1 => Just(Test::In(vec![Value::Number(BAD), Value::Text("red".into())])),
        1 => Just(Test::In(Vec::new())),
    ]
}

pub(super) fn rule() -> impl Strategy<Value = Rule> {
    let stale_after = prop_oneof![
        Just(None),
        (0_u64..120_000).prop_map(|span| Some(Span(span))),
    ];
    let missing = prop_oneof![
        3 => Just(Missing::Unknown),
        1 => Just(Missing::Good),
        1 => Just(Missing::Bad),
    ];
    (test(), missing, stale_after).prop_map(|(test, missing, stale_after)| Rule {
        condition: "condition".into(),
        test,
        missing,
        stale_after,
    })
}

/// Spans that mostly matter at the scale of a story, and sometimes are absurd.
pub(super) fn span(usual: std::ops::Range<u64>) -> impl Strategy<Value = Span> {
    prop_oneof![
        10 => usual.prop_map(Span),
        1 => Just(Span(0)),
        1 => any::<u64>().prop_map(Span),
    ]
}

pub(super) fn config() -> impl Strategy<Value = Config> {
    let streak = (
        proptest::collection::vec(rule(), 0..3),
        prop_oneof![9 => 0_u32..5, 1 => any::<u32>()],
        span(1_000..900_000),
        prop_oneof![3 => Just(Span(0)), 1 => span(0..120_000)],
        prop_oneof![1 => Just(None), 3 => span(1_000..60_000).prop_map(Some)],
        any::<bool>(),
    );
    let recovery = (
        span(1_000..100_000),
        span(1_000..1_000_000),
        proptest::collection::vec(any::<u8>(), 0..4),
        span(0..30_000),
        prop_oneof![9 => 0_u32..4, 1 => any::<u32>()],
        span(0..400_000),
        prop_oneof![9 => 0_u32..10, 1 => any::<u32>()],
        span(0..3_600_000),
        prop_oneof![3 => Just(Begin::Timer), 1 => Just(Begin::Evidence)],
    );
    (streak, recovery).prop_map(|(streak, recovery)| {
        let (rules, consecutive, within, at_least, resample, illegal_is_bad) = streak;
        let (minimum, maximum, admit_percent, settle, successes, timeout, trips, flap, begin) =
            recovery;
        Config {
            rules,
            consecutive,
            within,
            at_least,
            resample,
            illegal_is_bad,
            open: Wait { minimum, maximum },
            half_open: Probe {
                admit_percent,
                begin,
                settle,
                successes,
                timeout,
            },
            flap: Flap {
                trips,
                within: flap,
            },
        }
    })
}

/// With waits that end before the wall clock does.
pub(super) fn expressible(mut config: Config) -> Config {
    let longest = Span(u64::from(u32::MAX));
    config.open.minimum = config.open.minimum.min(longest);
    config.open.maximum = config.open.maximum.min(longest);
    config
}

pub(super) fn story() -> impl Strategy<Value = Vec<Act>> {
    proptest::collection::vec(act(), 0..80)
}
