//! What holds of every recovery, and of what a reporter's clock and an absent condition have a say in.

use proptest::prelude::{Strategy as _, any};
use proptest::{prop_assert, prop_assert_eq, proptest};

use crate::breaker::circuit::State;
use crate::breaker::config::{Missing, Rule};
use crate::breaker::sample::{Class, Value};
use crate::breaker::streak::Streak;
use crate::breaker::tests::properties::{changes, config_with_regressions};
use crate::breaker::tests::story::{Act, Stage, act, config, expressible, steady_act, story};
use crate::breaker::tests::world::{BAD, GOOD, latency};
use crate::breaker::types::{Effect, Reason};

proptest! {
    #![proptest_config(config_with_regressions())]

    #[test]
    fn nothing_recovers_while_anything_stands_bad_or_was_bad_and_is_silent(
        config in config(),
        story in story(),
    ) {
        let mut stage = Stage::new(config.rules.len());
        for act in &story {
            for change in changes(&stage.play(&config, act)) {
                if matches!(change.reason, Reason::StepPassed | Reason::Recovered) {
                    prop_assert!(stage.circuit.streaks().all(|streak| !streak.sick));
                    let bad = |streak: &Streak| {
                        streak.last.as_ref().is_some_and(|last| last.class == Class::Bad)
                    };
                    prop_assert!(!stage.circuit.streaks().any(bad), "{:?}", stage.circuit);
                }
            }
        }
    }

    #[test]
    fn a_value_that_stands_bad_is_admitted_to_only_while_settling(
        config in config().prop_map(expressible),
        story in proptest::collection::vec(steady_act(), 0..60),
    ) {
        let mut stage = Stage::new(config.rules.len());
        for act in &story {
            stage.play(&config, act);
            let State::HalfOpen { step_since, .. } = stage.circuit.state else {
                continue;
            };
            let now = stage.context.now.mono;
            let settled = now > step_since + config.half_open.settle;
            // Whoever ticks at the wakes finds no circuit that has settled on a Bad value.
            let ticked = stage.wake(&config).is_none_or(|wake| wake > now);
            let bad = |streak: &Streak| {
                streak.last.as_ref().is_some_and(|last| last.class == Class::Bad)
            };
            prop_assert!(!(settled && ticked && stage.circuit.streaks().any(bad)), "{:?}", stage.circuit);
        }
    }

    #[test]
    fn a_reporters_clock_has_no_say(
        config in config(),
        story in proptest::collection::vec(act(), 0..80),
        skew in any::<i64>(),
    ) {
        // Both see the first heartbeat alike: what is seen first is as old as it says.
        let mut right = Stage::new(config.rules.len());
        let mut skewed = Stage::new(config.rules.len());
        let mut beaten = [false; 3];
        // What was removed is seen first again.
        for act in story.iter().filter(|act| !matches!(act, Act::Removed)) {
            let other = match act {
                Act::Observe(rule, value, Some(offset)) if beaten[rule % beaten.len()] => {
                    Act::Observe(*rule, value.clone(), Some(offset.wrapping_add(skew)))
                }
                other => other.clone(),
            };
            if let Act::Observe(rule, ..) = act {
                let rules = config.rules.len().max(1);
                for same in (0..beaten.len()).filter(|other| other % rules == rule % rules) {
                    beaten[same] = true;
                }
            }
            let told = format!("{:?}", right.play(&config, act));
            prop_assert_eq!(told, format!("{:?}", skewed.play(&config, &other)));
        }
        prop_assert_eq!(right.circuit.state, skewed.circuit.state);
    }

    #[test]
    fn an_absent_condition_is_to_a_rule_what_it_says_that_absence_means(
        config in config(),
        story in story(),
        good in any::<bool>(),
    ) {
        let (missing, value) = if good { (Missing::Good, GOOD) } else { (Missing::Bad, BAD) };
        let mut config = config;
        for rule in &mut config.rules {
            *rule = Rule { missing, ..latency() };
        }
        let mut absent = Stage::new(config.rules.len());
        let mut present = Stage::new(config.rules.len());
        for reading in &mut present.report.readings {
            reading.value = Ok(Value::Number(value));
        }
        for act in &story {
            let stand_in = match act {
                Act::Observe(rule, None, offset) => {
                    Act::Observe(*rule, Some(Value::Number(value)), *offset)
                }
                other => other.clone(),
            };
            let names = |effects: &[Effect]| -> Vec<_> {
                changes(effects).map(|change| (change.from, change.to, change.reason)).collect()
            };
            let told = names(&absent.play(&config, act));
            prop_assert_eq!(told, names(&present.play(&config, &stand_in)));
        }
    }
}
