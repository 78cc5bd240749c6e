//! Every declared type against values of its own and of other types.

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::condition::{
    cursor::Cursor,
    declaration::tests::{kind, of},
};

fn judge(kind: &Kind, json: &str) -> (Reading, Option<Code>) {
    let value = Cursor::new(json).value().unwrap();
    let judgment = kind.judge(value, "storefronts");
    (judgment.reading, judgment.fault.map(|(code, _)| code))
}

#[rstest]
#[case("Number", "0.05", Value::Number(0.05))]
#[case("Number", r#""0.05""#, Value::Number(0.05))]
#[case("Number", r#""\u0031e3""#, Value::Number(1_000.0))]
#[case("Number", r#""+Inf""#, Value::Number(f64::INFINITY))]
#[case("Number", r#""-Infinity""#, Value::Number(f64::NEG_INFINITY))]
#[case("Number", "1e400", Value::Number(f64::INFINITY))]
#[case("Integer", "42", Value::Integer(42))]
#[case("Integer", r#""-42""#, Value::Integer(-42))]
#[case("Integer", "5.0", Value::Integer(5))]
#[case("Integer", "1e3", Value::Integer(1_000))]
#[case("Integer", "9223372036854775807", Value::Integer(i64::MAX))]
#[case("Duration", r#""1m30s""#, Value::Duration(90_000.0))]
#[case("Duration", "0", Value::Duration(0.0))]
#[case("Duration", "0.0", Value::Duration(0.0))]
#[case("Duration", r#""0""#, Value::Duration(0.0))]
#[case("Quantity", r#""500Mi""#, Value::Quantity(524_288_000.0))]
#[case("Quantity", "3", Value::Quantity(3.0))]
#[case("Percent", r#""12.5%""#, Value::Percent(12.5))]
#[case("Percent", "100", Value::Percent(100.0))]
#[case("Boolean", "true", Value::Boolean(true))]
#[case("Boolean", r#""False""#, Value::Boolean(false))]
#[case("Boolean", r#""true""#, Value::Boolean(true))]
#[case("Boolean", r#""TRUE""#, Value::Boolean(true))]
#[case("String", r#""""#, Value::Text("".into()))]
#[case("String", r#""NaN""#, Value::Text("NaN".into()))]
#[case("String", r#""a\nb""#, Value::Text("a\nb".into()))]
#[case("Enum", r#""gold""#, Value::Text("gold".into()))]
fn a_legal_value_is_read_by_its_type(
    #[case] type_: &str,
    #[case] json: &str,
    #[case] value: Value,
) {
    assert_eq!(judge(&of(type_), json), (Reading::Value(value), None));
}

#[rstest]
#[case("Number", "null")]
#[case("Number", r#""NaN""#)]
#[case("Number", r#""""#)]
#[case("Number", r#"" 1""#)]
#[case("Number", r#""1,5""#)]
#[case("Number", r#""fast""#)]
#[case("Integer", r#""NaN""#)]
#[case("Integer", r#""0x10""#)]
#[case("Duration", r#""250""#)]
#[case("Duration", r#""NaN""#)]
#[case("Quantity", r#""500mb""#)]
#[case("Percent", r#""NaN%""#)]
#[case("Boolean", "null")]
#[case("String", "null")]
#[case("Enum", "null")]
fn null_nan_and_what_does_not_parse_is_no_number(#[case] type_: &str, #[case] json: &str) {
    assert_eq!(
        judge(&of(type_), json),
        (Reading::NotANumber, Some(Code::NotANumber))
    );
}

#[rstest]
#[case("Number", "true")]
#[case("Number", "[1]")]
#[case("Number", "{}")]
#[case("Number", r#""\ud800""#)]
#[case("Duration", "250")]
#[case("Duration", "1e-3")]
#[case("Boolean", "1")]
#[case("Boolean", r#""yes""#)]
#[case("String", "5")]
#[case("String", "true")]
#[case("Enum", "5")]
fn another_type_leaves_nothing_to_judge(#[case] type_: &str, #[case] json: &str) {
    assert_eq!(
        judge(&of(type_), json),
        (Reading::Unjudgeable, Some(Code::WrongType))
    );
}

#[rstest]
#[case("Percent", "100.1", Value::Percent(100.1))]
#[case("Percent", r#""-1%""#, Value::Percent(-1.0))]
#[case(
    "Integer",
    "9223372036854775808",
    Value::Number(9_223_372_036_854_775_808.0)
)]
#[case("Integer", r#""+Inf""#, Value::Number(f64::INFINITY))]
fn what_is_out_of_the_types_own_range_is_judged_all_the_same(
    #[case] type_: &str,
    #[case] json: &str,
    #[case] value: Value,
) {
    assert_eq!(
        judge(&of(type_), json),
        (Reading::Value(value), Some(Code::OutOfRange))
    );
}

#[test]
fn a_fraction_for_an_integer_is_judged_and_illegal() {
    assert_eq!(
        judge(&of("Integer"), "5.5"),
        (Reading::Value(Value::Number(5.5)), Some(Code::WrongType))
    );
}

#[test]
fn a_text_outside_of_the_enum_leaves_nothing_to_judge() {
    assert_eq!(
        judge(&of("Enum"), r#""bronze""#),
        (Reading::Unjudgeable, Some(Code::NotInEnum))
    );
}

#[rstest]
#[case("Number", json!(0), json!("0.5"), "0", true)]
#[case("Number", json!(0), json!("0.5"), "0.5", true)]
#[case("Number", json!(0), json!("0.5"), "0.51", false)]
#[case("Number", json!(0), json!("0.5"), "-0.01", false)]
#[case("Number", json!(0), json!(null), r#""Inf""#, true)]
#[case("Number", json!(0), json!("0.5"), "1e400", false)]
#[case("Integer", json!(-1), json!(1), "2", false)]
#[case("Duration", json!("0s"), json!("60s"), r#""1m""#, true)]
#[case("Duration", json!("0s"), json!("60s"), r#""60001ms""#, false)]
#[case("Duration", json!(0), json!("60s"), r#""-1ns""#, false)]
#[case("Quantity", json!("1Ki"), json!("1Mi"), r#""1048576""#, true)]
#[case("Quantity", json!("1Ki"), json!("1Mi"), r#""1M""#, true)]
#[case("Quantity", json!("1Ki"), json!("1Mi"), r#""1023""#, false)]
#[case("Percent", json!(10), json!("20%"), r#""9.9%""#, false)]
#[case("Percent", json!(null), json!(200), "150", true)]
fn bounds_are_in_the_types_own_notation_and_inclusive(
    #[case] type_: &str,
    #[case] minimum: serde_json::Value,
    #[case] maximum: serde_json::Value,
    #[case] json: &str,
    #[case] legal: bool,
) {
    let mut rule = json!({"type": type_});
    for (name, bound) in [("minimum", minimum), ("maximum", maximum)] {
        if !bound.is_null() {
            rule[name] = bound;
        }
    }
    let (reading, code) = judge(&kind(rule).unwrap(), json);
    assert!(matches!(reading, Reading::Value(_)), "{reading:?}");
    assert_eq!(code, (!legal).then_some(Code::OutOfRange));
}

#[test]
fn an_overflow_is_said_to_be_one() {
    let kind = kind(json!({"type": "Number", "maximum": 1})).unwrap();
    let (_, words) = kind
        .judge(Json::Number("1e400"), "storefronts")
        .fault
        .unwrap();
    assert_eq!(
        words,
        "is 1e400 (read as infinity), above the maximum of 1 that contract storefronts sets; report a value within it or change maximum there"
    );
}
