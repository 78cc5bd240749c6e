//! One measurement in, its value or why there is none.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::condition::value::Value;

const NOW: i64 = 1_800_000_000_000;

fn contract(condition: &serde_json::Value) -> Contract {
    let mut rule = json!({
        "key": "k",
        "type": "Number",
        "from": {"prometheus": {"query": "up", "object": {"name": "app"}}},
    });
    let fields = condition.as_object().unwrap().clone();
    rule.as_object_mut().unwrap().extend(fields);
    let spec = json!({
        "target": {"group": "apps", "kind": "Deployment"},
        "conditions": [{"key": "Available", "type": "Boolean"}, rule],
        "rollback": {"mode": "Off"},
    });
    Contract::try_new("deployments.apps", &serde_json::from_value(spec).unwrap()).unwrap()
}

fn sample(value: f64) -> Measurement<'static> {
    Measurement::Sample {
        value,
        at: NOW,
        age: 20,
    }
}

fn measure(condition: &serde_json::Value, measurement: Measurement<'_>) -> Measured {
    contract(condition).measure(1, measurement).unwrap()
}

#[rstest]
#[case(json!({}), 0.25, Value::Number(0.25))]
#[case(json!({}), f64::INFINITY, Value::Number(f64::INFINITY))]
#[case(json!({"type": "Integer"}), 3.0, Value::Integer(3))]
#[case(json!({"type": "Integer"}), 1e15, Value::Integer(1_000_000_000_000_000))]
#[case::seconds(json!({"type": "Duration", "maximum": "1s"}), 0.25, Value::Duration(250.0))]
#[case(json!({"type": "Quantity", "maximum": "2Gi"}), 1_048_576.0, Value::Quantity(1_048_576.0))]
#[case(json!({"type": "Percent"}), 12.5, Value::Percent(12.5))]
#[case(json!({"type": "Boolean"}), 1.0, Value::Boolean(true))]
#[case(json!({"type": "Boolean"}), 0.0, Value::Boolean(false))]
fn a_number_is_read_by_the_declared_type(
    #[case] condition: serde_json::Value,
    #[case] number: f64,
    #[case] value: Value,
) {
    let measured = measure(&condition, sample(number));
    assert_eq!(measured.entry.reading, Reading::Value(value));
    assert_eq!(measured.entry.observed_at, Some(NOW));
    assert_eq!(measured.problem, None);
}

#[rstest]
#[case(json!({"maximum": 1}), 1.5, Code::OutOfRange, "\"k\" is 1.5, above the maximum of 1")]
#[case(json!({"type": "Duration", "maximum": "1s"}), 1.5, Code::OutOfRange, "\"k\" is 1.5s, above the maximum of 1s")]
#[case(json!({"type": "Percent"}), 250.0, Code::OutOfRange, "\"k\" is 250.0%, above the maximum of 100%")]
#[case(json!({"type": "Integer"}), 0.5, Code::WrongType, "round it")]
#[case(json!({"type": "Integer"}), f64::INFINITY, Code::OutOfRange, "64 bits")]
#[case(json!({"type": "Boolean"}), 2.0, Code::WrongType, "declares type Boolean")]
fn a_number_that_breaks_the_contract_is_told_with_its_place(
    #[case] condition: serde_json::Value,
    #[case] number: f64,
    #[case] code: Code,
    #[case] said: &str,
) {
    let measured = measure(&condition, sample(number));
    assert!(measured.is_illegal());
    let problem = measured.problem.unwrap();
    assert_eq!(problem.code, code);
    assert_eq!(&*problem.field, "prometheus[\"k\"]");
    assert!(problem.message.contains(said), "{problem}");
}

#[test]
fn each_answer_is_an_observation_and_an_equal_value_is_no_news() {
    let contract = contract(&json!({}));
    let at = |at| {
        let measurement = Measurement::Sample {
            value: 0.25,
            at,
            age: 0,
        };
        contract.measure(1, measurement).unwrap().entry
    };
    assert_ne!(at(NOW).id, at(NOW + 15_000).id);
    assert_eq!(at(NOW).content, at(NOW + 15_000).content);
}

#[rstest]
#[case(Measurement::NoSeries, Reading::Missing, "NoSeries")]
#[case(
    Measurement::SeveralSeries(2),
    Reading::Unmeasured(Unmeasured::SeveralSeries),
    "SeveralSeries"
)]
#[case(sample(f64::NAN), Reading::NotANumber, "NotANumber")]
#[case(Measurement::Sample { value: 1.0, at: NOW, age: 60_001 }, Reading::Unmeasured(Unmeasured::Old), "OldSample")]
#[case(
    Measurement::Failed(Failure::Failed, "refused"),
    Reading::Unmeasured(Unmeasured::Failed(Failure::Failed)),
    "QueryFailed"
)]
#[case(
    Measurement::Failed(Failure::TimedOut, "no answer"),
    Reading::Unmeasured(Unmeasured::Failed(Failure::TimedOut)),
    "QueryTimedOut"
)]
#[case(
    Measurement::Failed(Failure::TooManySeries, "5000"),
    Reading::Unmeasured(Unmeasured::Failed(Failure::TooManySeries)),
    "TooManySeries"
)]
fn what_is_no_value_has_a_reason_of_its_own_and_is_legal(
    #[case] measurement: Measurement<'_>,
    #[case] reading: Reading,
    #[case] code: &str,
) {
    let measured = measure(&json!({"maximum": 1}), measurement);
    assert_eq!(measured.entry.reading, reading);
    assert!(!measured.is_illegal());
    assert_eq!(measured.problem.unwrap().code.as_str(), code);
}

#[test]
fn only_what_comes_from_a_query_is_measured() {
    let contract = contract(&json!({}));
    assert_eq!(contract.measure(0, Measurement::NoSeries), None);
    assert_eq!(contract.measure(2, Measurement::NoSeries), None);
    let queries: Vec<usize> = contract.queries().map(|(index, ..)| index).collect();
    assert_eq!(queries, [1]);
}
