//! What holds for every circuit, every policy and every story.

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::test_runner::FileFailurePersistence;
use proptest::{prop_assert, prop_assert_eq, proptest};

use crate::breaker::adopt::{Sight, Word, adopt};
use crate::breaker::circuit::{Circuit, State, StateName, Trip};
use crate::breaker::config::Config;
use crate::breaker::enforced::enforced;
use crate::breaker::persisted::{persist, resume};
use crate::breaker::sample::Value;
use crate::breaker::streak::Streak;
use crate::breaker::tests::story::{
    Act, Stage, config, expressible, number, steady_act, story, timeless_act,
};
use crate::breaker::tests::world::{defaults, identity, latency};
use crate::breaker::time::{Mono, Now, Span, Wall};
use crate::breaker::types::{Change, Effect, Input, Reason};

pub(super) fn changes(effects: &[Effect]) -> impl Iterator<Item = &Change> {
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

/// Cases that once failed stay beside the tests, and run first.
pub(super) fn config_with_regressions() -> ProptestConfig {
    let file = FileFailurePersistence::Direct("src/breaker/tests/properties.regressions");
    ProptestConfig {
        failure_persistence: Some(Box::new(file)),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config_with_regressions())]

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
            let word = Word {
                persisted: &written,
                is_recorded: true,
                sight: Sight::Unknown,
            };
            let _ = adopt(before, &config, word, now);
        }
    }

    #[test]
    fn a_circuit_stays_within_its_memory(config in config(), story in story()) {
        let mut stage = Stage::new(config.rules.len());
        for act in &story {
            stage.play(&config, act);
            prop_assert!(stage.circuit.past.trips.len() <= 33);
            prop_assert!(stage.circuit.streaks().all(|streak| streak.count() <= 100));
            prop_assert!(stage.circuit.past.level <= 64);
            let streaks = || stage.circuit.streaks();
            prop_assert!(streaks().all(|streak| streak.since().is_some() == (streak.count() > 0)));
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
    fn the_wall_clock_decides_nothing_where_entries_carry_no_time(
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
            let before: Vec<u32> = stage.circuit.streaks().map(Streak::count).collect();
            stage.play(&config, act);
            if before.len() == stage.circuit.streaks().count() {
                for (streak, before) in stage.circuit.streaks().zip(before) {
                    prop_assert!(streak.count() <= before + 1);
                }
            }
        }
    }

    #[test]
    fn a_breach_takes_exactly_so_many_distinct_bad_observations(
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
            rules: vec![latency()],
            ..defaults()
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
                || before.past.level != after.past.level
                || before.past.latched != after.past.latched
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
    let config = defaults();
    for _ in 0..4 {
        stage.play(&config, &Act::Update(false));
        stage.play(&config, &Act::Wake);
    }
    let _ = persist(&stage.circuit, &config, stage.context.now);
}
