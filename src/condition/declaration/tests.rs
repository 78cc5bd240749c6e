//! What a declared rule compiles to, and what a threshold of a policy means for it.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::condition::value::Value;

/// The kind of a rule, whose key doesn't matter.
pub(in crate::condition) fn kind(
    mut rule: serde_json::Value,
) -> Result<Kind, (&'static str, String)> {
    rule["key"] = json!("key");
    Kind::try_new(&serde_json::from_value(rule).unwrap())
}

/// The kind of a type, without bounds.
pub(in crate::condition) fn of(type_: &str) -> Kind {
    let values = if type_ == "Enum" {
        json!(["gold", "silver"])
    } else {
        json!([])
    };
    kind(json!({"type": type_, "values": values})).unwrap()
}

#[rstest]
#[case(json!({"type": "Duration", "minimum": "5"}), "minimum", r#"is "5", which is no Duration; write a number with a unit, such as "250ms""#)]
#[case(json!({"type": "Duration", "maximum": 250}), "maximum", r#"is "250", which is no Duration;"#)]
#[case(json!({"type": "Number", "maximum": "NaN"}), "maximum", r#"is "NaN", which is no Number;"#)]
#[case(json!({"type": "Number", "minimum": 2, "maximum": 1}), "minimum", "is 2, above the maximum of 1; no value could be legal")]
#[case(json!({"type": "Percent", "minimum": 101}), "minimum", "is 101, above the maximum of 100%;")]
#[case(json!({"type": "String", "minimum": 1}), "type", "is String, which has no minimum and no maximum; remove them")]
#[case(json!({"type": "Enum"}), "values", "has 0 values; write from 1 to 32, each of 1 to 63 characters")]
#[case(json!({"type": "Enum", "values": [""]}), "values", "has 1 values;")]
#[case(json!({"type": "Number", "values": ["a"]}), "values", "is set, and only an Enum has values;")]
fn a_rule_that_makes_no_sense_is_refused_with_its_field(
    #[case] rule: serde_json::Value,
    #[case] field: &str,
    #[case] says: &str,
) {
    let (found, words) = kind(rule).unwrap_err();
    assert_eq!(found, field);
    assert!(words.starts_with(says), "{words}");
}

#[rstest]
#[case("Duration", json!("250ms"), Value::Duration(250.0))]
#[case("Percent", json!(150), Value::Percent(150.0))]
#[case("Boolean", json!("true"), Value::Boolean(true))]
#[case("Boolean", json!("False"), Value::Boolean(false))]
#[case("String", json!(5), Value::Text("5".into()))]
#[case("Enum", json!("gold"), Value::Text("gold".into()))]
fn a_threshold_is_read_like_a_value_and_may_lie_outside_of_the_bounds(
    #[case] type_: &str,
    #[case] scalar: serde_json::Value,
    #[case] value: Value,
) {
    let scalar: Scalar = serde_json::from_value(scalar).unwrap();
    assert_eq!(of(type_).operand(&scalar), Ok(value));
}

#[rstest]
#[case("Duration", json!(250))]
#[case("Boolean", json!(1))]
#[case("Enum", json!("bronze"))]
#[case("Integer", json!("0.5"))]
fn a_threshold_of_another_type_is_refused(#[case] type_: &str, #[case] scalar: serde_json::Value) {
    let scalar: Scalar = serde_json::from_value(scalar).unwrap();
    let words = of(type_).operand(&scalar).unwrap_err();
    assert!(
        words.contains(&format!("which is no {type_}; write ")),
        "{words}"
    );
}
