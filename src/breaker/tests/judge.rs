//! What one value means to one rule.

use rstest::rstest;

use crate::breaker::config::{Missing, Rule, Test};
use crate::breaker::judge::{Subject, Verdict};
use crate::breaker::sample::{Unknown, Value};

fn above(limit: f64, clear: Option<f64>) -> Test {
    Test::Above { limit, clear }
}

fn below(limit: f64, clear: Option<f64>) -> Test {
    Test::Below { limit, clear }
}

fn number(number: f64) -> Value {
    Value::Number(number)
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

const NOT_A_NUMBER: Verdict = Verdict::Unknown(Unknown::NotANumber);
const ILLEGAL: Verdict = Verdict::Unknown(Unknown::Illegal);

#[rstest]
#[case::above(above(250.0, None), number(250.1), Verdict::Bad)]
#[case::at_the_limit_is_not_above(above(250.0, None), number(250.0), Verdict::Good)]
#[case::in_the_band(above(250.0, Some(200.0)), number(220.0), Verdict::Between)]
#[case::at_clear_is_not_below_it(above(250.0, Some(200.0)), number(200.0), Verdict::Between)]
#[case::clear(above(250.0, Some(200.0)), number(199.9), Verdict::Good)]
#[case::no_hysteresis(above(250.0, Some(250.0)), number(250.0), Verdict::Good)]
#[case::clear_beyond_the_limit(above(250.0, Some(900.0)), number(249.0), Verdict::Good)]
#[case::infinity_compares(above(250.0, None), number(f64::INFINITY), Verdict::Bad)]
#[case::minus_infinity_compares(above(250.0, None), number(f64::NEG_INFINITY), Verdict::Good)]
#[case::nan_does_not(above(250.0, None), number(f64::NAN), NOT_A_NUMBER)]
#[case::text_is_no_number(above(250.0, None), text("fast"), NOT_A_NUMBER)]
#[case::below(below(0.9, Some(0.95)), number(0.8), Verdict::Bad)]
#[case::below_in_the_band(below(0.9, Some(0.95)), number(0.92), Verdict::Between)]
#[case::below_clear(below(0.9, Some(0.95)), number(0.96), Verdict::Good)]
#[case::below_no_hysteresis(below(0.9, Some(0.9)), number(0.9), Verdict::Good)]
#[case::equals(Test::Equals(text("red")), text("red"), Verdict::Bad)]
#[case::equals_not(Test::Equals(text("red")), text("green"), Verdict::Good)]
#[case::equals_nan(Test::Equals(number(1.0)), number(f64::NAN), NOT_A_NUMBER)]
#[case::equals_another_type(Test::Equals(text("red")), Value::Bool(true), ILLEGAL)]
#[case::not_equals(Test::NotEquals(Value::Bool(true)), Value::Bool(false), Verdict::Bad)]
#[case::not_equals_not(Test::NotEquals(Value::Bool(true)), Value::Bool(true), Verdict::Good)]
#[case::not_equals_another_type(Test::NotEquals(Value::Bool(true)), text("true"), ILLEGAL)]
#[case::one_of(Test::In(vec![text("a"), text("b")]), text("b"), Verdict::Bad)]
#[case::none_of(Test::In(vec![text("a"), text("b")]), text("c"), Verdict::Good)]
#[case::of_another_type(Test::In(vec![text("a")]), number(1.0), ILLEGAL)]
fn a_value_is_judged_by_limit_and_clear(
    #[case] test: Test,
    #[case] value: Value,
    #[case] verdict: Verdict,
) {
    let rule = Rule {
        condition: "some-condition".into(),
        test,
        missing: Missing::Unknown,
        stale_after: None,
    };
    let judged = Subject::Rule(&rule).judge(Ok(&value));
    assert_eq!(judged, verdict);
}
