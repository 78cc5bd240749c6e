//! What holds for every circuit, every policy and every story.

use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{prop_assert, prop_assert_eq, proptest};

use crate::breaker::adopt::adopt;
use crate::breaker::circuit::{Circuit, Forced, State, StateName, Trip};
use crate::breaker::config::{Config, Flap, Probe, Rule, Test, Wait};
use crate::breaker::enforced::enforced;
use crate::breaker::persisted::{persist, resume};
use crate::breaker::sample::{ObservationId, Reading, Unknown, Value};
use crate::breaker::step::{
    Change, Context, Effect, Input, Legality, Reason, Report, next_wake, step,
};
use crate::breaker::tests::world::{BAD, BETWEEN, GOOD, START, identity};
use crate::breaker::time::{Mono, Now, Span, Wall};

/// What a story is made of.
#[derive(Clone, Debug)]
enum Act {
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
struct Stage {
    circuit: Circuit,
    context: Context,
    report: Report,
    ids: u64,
}

impl Stage {
    fn new(rules: usize) -> Self {
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

    fn input(&mut self, config: &Config, input: Input<'_>) -> Vec<Effect> {
        let (circuit, effects) = step(self.circuit.clone(), config, self.context, input);
        self.circuit = circuit;
        effects
    }

    fn pass(&mut self, span: Span) {
        self.context.now.mono = self.context.now.mono + span;
        self.context.now.wall = self.context.now.wall + span;
    }

    fn play(&mut self, config: &Config, act: &Act) -> Vec<Effect> {
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

    fn observe(&mut self, rule: usize, value: Option<Value>, offset: Option<i64>) {
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

    fn see(&mut self, config: &Config) -> Vec<Effect> {
        let report = self.report.clone();
        self.input(config, Input::Report(&report))
    }

    fn wake(&self, config: &Config) -> Option<Mono> {
        next_wake(&self.circuit, config, self.context.confirmed_since)
    }
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => Just(BAD),
        6 => Just(GOOD),
        2 => Just(BETWEEN),
        1 => any::<f64>(),
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY)],
    ]
}

fn value() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        12 => number().prop_map(|number| Some(Value::Number(number))),
        1 => any::<bool>().prop_map(|truth| Some(Value::Bool(truth))),
        1 => Just(Some(Value::Text("red".into()))),
        1 => Just(None),
    ]
}

fn offset() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![
        8 => Just(None),
        4 => (-100_000_i64..40_000).prop_map(Some),
        1 => any::<i64>().prop_map(Some),
    ]
}

fn timeless_act() -> impl Strategy<Value = Act> {
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

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => timeless_act(),
        4 => (0_usize..3, value(), offset())
            .prop_map(|(rule, value, offset)| Act::Observe(rule, value, offset)),
        1 => any::<i64>().prop_map(Act::WallJumps),
        1 => (-100_000_i64..100_000).prop_map(Act::WallJumps),
        1 => any::<u64>().prop_map(Act::Pass),
    ]
}

/// Without jumps of any clock, and with nothing that takes the watch or the lead away.
fn steady_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        8 => (0_usize..3, value(), prop_oneof![Just(None), (-100_000_i64..40_000).prop_map(Some)])
            .prop_map(|(rule, value, offset)| Act::Observe(rule, value, offset)),
        4 => (0_u64..90_000).prop_map(Act::Pass),
        8 => Just(Act::Wake),
        2 => Just(Act::Repeat),
        2 => any::<bool>().prop_map(Act::Update),
    ]
}

fn test() -> impl Strategy<Value = Test> {
    prop_oneof![
        6 => Just(Test::Above { limit: 250.0, clear: Some(200.0) }),
        1 => Just(Test::Above { limit: 250.0, clear: None }),
        1 => (any::<f64>(), any::<f64>())
            .prop_map(|(limit, clear)| Test::Below { limit, clear: Some(clear) }),
        1 => Just(Test::Equals(Value::Number(BAD))),
        1 => Just(Test::NotEquals(Value::Bool(true))),
        1 => Just(Test::In(vec![Value::Number(BAD), Value::Text("red".into())])),
        1 => Just(Test::In(Vec::new())),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let stale_after = prop_oneof![
        Just(None),
        (0_u64..120_000).prop_map(|span| Some(Span(span))),
    ];
    (test(), stale_after).prop_map(|(test, stale_after)| Rule {
        condition: "condition".into(),
        test,
        stale_after,
    })
}

/// Spans that mostly matter at the scale of a story, and sometimes are absurd.
fn span(usual: std::ops::Range<u64>) -> impl Strategy<Value = Span> {
    prop_oneof![
        10 => usual.prop_map(Span),
        1 => Just(Span(0)),
        1 => any::<u64>().prop_map(Span),
    ]
}

fn config() -> impl Strategy<Value = Config> {
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
    );
    (streak, recovery).prop_map(|(streak, recovery)| {
        let (rules, consecutive, within, at_least, resample, illegal_is_bad) = streak;
        let (minimum, maximum, admit_percent, settle, successes, timeout, trips, flap) = recovery;
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
fn expressible(mut config: Config) -> Config {
    let longest = Span(u64::from(u32::MAX));
    config.open.minimum = config.open.minimum.min(longest);
    config.open.maximum = config.open.maximum.min(longest);
    config
}

fn story() -> impl Strategy<Value = Vec<Act>> {
    proptest::collection::vec(act(), 0..80)
}

fn changes(effects: &[Effect]) -> impl Iterator<Item = &Change> {
    effects.iter().filter_map(|effect| match effect {
        Effect::Changed(change) => Some(change),
        _ => None,
    })
}

fn is_legal(change: &Change) -> bool {
    use StateName::{Closed, HalfOpen, Open};
    matches!(
        (change.from, change.to, change.reason),
        (Closed, Open, Reason::Tripped(_))
            | (Open, HalfOpen, Reason::WaitPassed)
            | (HalfOpen, HalfOpen, Reason::StepPassed)
            | (HalfOpen, Open, Reason::ProbeFailed | Reason::ProbeTimedOut)
            | (HalfOpen, Closed, Reason::Recovered)
            | (Open | HalfOpen, Closed, Reason::Reset | Reason::Removed)
    )
}

/// A circuit without what the wall clock wrote into it.
fn timeless(mut circuit: Circuit) -> Circuit {
    if let State::Open { trip, .. } | State::HalfOpen { trip, .. } = &mut circuit.state {
        trip.at = Wall(0);
    }
    circuit
}

fn timeless_effects(mut effects: Vec<Effect>) -> Vec<Effect> {
    for effect in &mut effects {
        if let Effect::Changed(Change {
            trip: Some(Trip { at, .. }),
            ..
        }) = effect
        {
            *at = Wall(0);
        }
    }
    effects
}

proptest! {
    #[test]
    fn nothing_panics_and_no_transition_is_illegal(config in config(), story in story()) {
        let mut stage = Stage::new(config.rules.len());
        for act in &story {
            let before = stage.circuit.clone();
            let effects = stage.play(&config, act);
            for change in changes(&effects) {
                prop_assert!(is_legal(change), "{change:?}");
                prop_assert_eq!(change.from, before.state.name());
                prop_assert_eq!(change.to, stage.circuit.state.name());
            }
            prop_assert!(changes(&effects).count() <= 1);
            let moved = before.state.name() != stage.circuit.state.name();
            prop_assert!(!moved || changes(&effects).count() == 1, "no silent move");
            let _ = enforced(&stage.circuit, &config);
            let now = stage.context.now;
            let written = persist(&stage.circuit, &config, now);
            let resumed = resume(identity(), &config, &written, now);
            prop_assert_eq!(resumed.state.name(), stage.circuit.state.name());
            let _ = adopt(before, &config, &written, now);
        }
    }

    #[test]
    fn a_circuit_stays_within_its_memory(config in config(), story in story()) {
        let mut stage = Stage::new(config.rules.len());
        for act in &story {
            stage.play(&config, act);
            prop_assert!(stage.circuit.trips.len() <= 33);
            prop_assert!(stage.circuit.streaks().all(|streak| streak.count() <= 100));
            prop_assert!(stage.circuit.level <= 64);
            let streaks = || stage.circuit.streaks();
            prop_assert!(streaks().all(|streak| streak.since.is_some() == (streak.count() > 0)));
        }
    }

    #[test]
    fn the_same_story_ends_alike(config in config(), story in story()) {
        let mut one = Stage::new(config.rules.len());
        let mut other = Stage::new(config.rules.len());
        for act in &story {
            // Debug, because NaN equals nothing, not even in a config.
            let told = format!("{:?}", one.play(&config, act));
            prop_assert_eq!(told, format!("{:?}", other.play(&config, act)));
        }
        prop_assert_eq!(one.circuit, other.circuit);
    }

    #[test]
    fn everything_else_but_the_wall_clock_decides_where_entries_carry_no_time(
        config in config(),
        story in proptest::collection::vec((timeless_act(), any::<i64>()), 0..80),
    ) {
        let mut steady = Stage::new(config.rules.len());
        let mut jumping = Stage::new(config.rules.len());
        for (act, jump) in &story {
            jumping.play(&config, &Act::WallJumps(*jump));
            let told = timeless_effects(jumping.play(&config, act));
            prop_assert_eq!(timeless_effects(steady.play(&config, act)), told);
        }
        prop_assert_eq!(timeless(steady.circuit), timeless(jumping.circuit));
    }

    #[test]
    fn a_restart_changes_nothing_that_comes_after(
        config in config().prop_map(expressible),
        before in proptest::collection::vec(steady_act(), 0..60),
        after in proptest::collection::vec(steady_act(), 0..40),
    ) {
        let mut unbroken = Stage::new(config.rules.len());
        unbroken.see(&config);
        for act in &before {
            unbroken.play(&config, act);
        }
        let mut restarted = unbroken.clone();
        let now = restarted.context.now;
        let written = persist(&unbroken.circuit, &config, now);
        restarted.circuit = resume(identity(), &config, &written, now);
        let mut told = (unbroken.see(&config), restarted.see(&config));
        for act in &after {
            prop_assert_eq!(&told.0, &told.1, "before {:?}", act);
            // One of them may wake to find a value stale that the other never took up.
            if matches!(act, Act::Wake) {
                let wakes = [unbroken.wake(&config), restarted.wake(&config)];
                let wake = wakes.into_iter().flatten().min().unwrap_or_default();
                let span = wake.since(unbroken.context.now.mono);
                unbroken.pass(span);
                restarted.pass(span);
                told = (
                    unbroken.input(&config, Input::Tick),
                    restarted.input(&config, Input::Tick),
                );
                continue;
            }
            told = (unbroken.play(&config, act), restarted.play(&config, act));
        }
        prop_assert_eq!(told.0, told.1);
        // A wait that was over when the restart came is over at the restart.
        for stage in [&mut unbroken, &mut restarted] {
            if let State::Open { until, .. } = &mut stage.circuit.state {
                *until = now.mono.max(*until);
            }
        }
        prop_assert_eq!(unbroken.circuit.state, restarted.circuit.state);
    }

    #[test]
    fn a_tick_before_the_wake_changes_nothing(
        config in config(),
        story in story(),
        early in 0.0..1.0_f64,
    ) {
        let mut stage = Stage::new(config.rules.len());
        for act in &story {
            stage.play(&config, act);
        }
        // The story may have ended with siblings or leadership changed and nobody told.
        for _ in 0..8 {
            stage.input(&config, Input::Tick);
        }
        let now = stage.context.now.mono;
        let wake = stage.wake(&config).unwrap_or(Mono(u64::MAX));
        if wake > now {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
            let part = (wake.since(now).0 as f64 * early) as u64;
            stage.pass(Span(part.min(wake.since(now).0 - 1)));
            let before = stage.circuit.clone();
            let effects = stage.input(&config, Input::Tick);
            prop_assert_eq!(effects, Vec::new());
            prop_assert_eq!(stage.circuit, before);
        }
    }

    #[test]
    fn ticking_at_the_wakes_gets_somewhere(config in config(), story in story()) {
        let mut stage = Stage::new(config.rules.len());
        for act in &story {
            stage.play(&config, act);
        }
        for _ in 0..100 {
            let Some(wake) = stage.wake(&config) else { break };
            let now = stage.context.now.mono;
            stage.pass(wake.since(now));
            let now = stage.context.now.mono;
            if now.0 >= u64::MAX / 2 {
                break;
            }
            for _ in 0..8 {
                stage.input(&config, Input::Tick);
            }
            prop_assert!(stage.wake(&config).is_none_or(|next| next > now), "{:?}", stage.circuit);
        }
    }

    #[test]
    fn one_input_adds_at_most_one_bad_sample_to_a_streak(config in config(), story in story()) {
        let mut stage = Stage::new(config.rules.len());
        for act in &story {
            let before: Vec<u32> = stage.circuit.streaks().map(|streak| streak.count()).collect();
            stage.play(&config, act);
            if before.len() == stage.circuit.streaks().count() {
                for (streak, before) in stage.circuit.streaks().zip(before) {
                    prop_assert!(streak.count() <= before + 1);
                }
            }
        }
    }

    #[test]
    fn a_breach_takes_so_many_distinct_bad_observations_within_the_window_and_no_more(
        consecutive in 1_u32..6,
        within in 1_000_u64..200_000,
        story in proptest::collection::vec(
            prop_oneof![
                6 => number().prop_map(|number| Act::Observe(0, Some(Value::Number(number)), None)),
                2 => (0_u64..60_000).prop_map(Act::Pass),
                1 => Just(Act::Repeat),
                1 => Just(Act::Tick),
                1 => Just(Act::Observe(0, None, None)),
            ],
            0..80,
        ),
    ) {
        let config = Config {
            consecutive,
            within: Span(within),
            resample: None,
            rules: vec![crate::breaker::tests::world::latency()],
            ..crate::breaker::tests::world::defaults()
        };
        let mut stage = Stage::new(1);
        let mut bad_at: Vec<Mono> = Vec::new();
        for act in &story {
            let effects = stage.play(&config, act);
            let now = stage.context.now.mono;
            if let Act::Observe(_, Some(Value::Number(number)), _) = act {
                if *number > 250.0 {
                    bad_at.push(now);
                } else if !number.is_nan() {
                    bad_at.clear();
                }
            }
            let counting = bad_at.iter().filter(|at| now.since(**at) <= Span(within)).count();
            let full = counting >= consecutive as usize;
            let tripped = changes(&effects).next().is_some();
            prop_assert_eq!(tripped, full, "{:?}", bad_at);
            if tripped {
                return Ok(());
            }
        }
    }

    #[test]
    fn a_follower_never_half_opens_steps_or_closes(config in config(), story in story()) {
        let mut stage = Stage::new(config.rules.len());
        stage.context.leads = false;
        for act in story.iter().filter(|act| !matches!(act, Act::Lead(_))) {
            for change in changes(&stage.play(&config, act)) {
                let ordered = matches!(change.reason, Reason::Reset | Reason::Removed);
                prop_assert!(ordered || change.to == StateName::Open, "{change:?}");
            }
        }
    }

    #[test]
    fn without_the_watch_no_timer_moves_anything(config in config(), story in story()) {
        let mut stage = Stage::new(config.rules.len());
        for act in &story {
            stage.play(&config, act);
        }
        stage.context.confirmed_since = None;
        let state = stage.circuit.state.clone();
        for _ in 0..20 {
            stage.pass(Span(1_000_000));
            let effects = stage.input(&config, Input::Tick);
            prop_assert_eq!(changes(&effects).count(), 0);
        }
        prop_assert_eq!(stage.circuit.state, state);
    }

    #[test]
    fn persist_is_asked_for_whenever_what_must_survive_differs(
        config in config(),
        story in story(),
    ) {
        let mut stage = Stage::new(config.rules.len());
        for act in &story {
            let before = stage.circuit.clone();
            let effects = stage.play(&config, act);
            let after = &stage.circuit;
            let differs = before.state != after.state
                || before.incident != after.incident
                || before.level != after.level
                || before.latched != after.latched
                || before.suppressed != after.suppressed
                || before.armed != after.armed;
            let asked = effects.last() == Some(&Effect::Persist);
            prop_assert!(asked || !differs, "{before:?} {after:?}");
            prop_assert!(asked || !effects.contains(&Effect::Persist), "said last");
        }
    }
}

#[test]
fn the_widest_clock_does_not_overflow() {
    let mut stage = Stage::new(0);
    stage.context.now = Now {
        mono: Mono(u64::MAX),
        wall: Wall(i64::MIN),
    };
    let config = crate::breaker::tests::world::defaults();
    for _ in 0..4 {
        stage.play(&config, &Act::Update(false));
        stage.play(&config, &Act::Wake);
    }
    let _ = persist(&stage.circuit, &config, stage.context.now);
}
