//! What is kept of a report says what the report said.

use serde_json::json;

use super::*;
use crate::condition::{
    contract::Contract,
    extract::extract,
    unmeasured::{Failure, Unmeasured},
    value::{Reading, Value},
};

fn contract() -> Contract {
    let spec = serde_json::from_value(json!({
        "target": {"group": "shop.example.com", "kind": "Storefront"},
        "unknownKeys": "Ignore",
        "conditions": [
            {"key": "latency", "type": "Duration"},
            {"key": "queue", "type": "Integer"},
            {"key": "ready", "type": "Boolean"},
            {"key": "build", "type": "String"},
            {"key": "since", "type": "Age"},
            {"key": "there", "type": "Presence"},
            {"key": "rate", "type": "Number"},
            {"key": "load", "type": "Percent"},
        ],
        "rollback": {"mode": "Off"},
    }));
    Contract::try_new("storefronts", &spec.unwrap()).unwrap()
}

fn report(status: &serde_json::Value) -> Report {
    extract(
        &contract(),
        Some(&json!({"conditions": status}).to_string()),
    )
}

fn values(kept: &CompactReport) -> Vec<CompactValue<'_>> {
    kept.entries().map(|entry| entry.value).collect()
}

#[test]
fn what_a_report_said_is_read_back() {
    let long = "x".repeat(300);
    let report = report(&json!({
        "latency": {"value": "100123us", "observedAt": "2026-11-22T14:05:28Z"},
        "queue": {"value": 12, "observedAt": "2026-11-22T14:05:28Z"},
        "ready": {"value": false, "observedAt": "2026-11-22T14:05:29Z"},
        "build": long,
        "since": "2026-11-22T14:05:28Z",
        "rate": "NaN",
        "load": {},
        "stranger": 1,
    }));
    let kept = CompactReport::of(&report);
    assert_eq!(kept.keys(), report.keys);
    assert_eq!(kept.undeclared_keys(), report.undeclared_keys);
    assert_eq!(kept.undeclared_content(), report.undeclared_content);
    let told = [
        CompactValue::Number(100.123),
        CompactValue::Number(12.0),
        CompactValue::Boolean(false),
        CompactValue::Text(&long),
        CompactValue::Time(1_795_356_328_000),
        CompactValue::Boolean(false),
        CompactValue::NotANumber,
        CompactValue::Unjudgeable,
    ];
    assert_eq!(values(&kept), told);
    assert_eq!(kept.entries().count(), report.entries.len());
    for (kept, entry) in kept.entries().zip(&report.entries) {
        assert_eq!(
            (kept.id, kept.content, kept.observed_at),
            (entry.id, entry.content, entry.observed_at)
        );
    }
}

#[test]
fn numbers_of_any_length_are_read_back_to_the_bit() {
    for number in [0.0, -0.0, 1.5, 0.1, f64::MAX, f64::NEG_INFINITY, f64::NAN] {
        let entry = Entry {
            reading: Reading::Value(Value::Number(number)),
            id: 7,
            ..Entry::MISSING
        };
        let report = Report {
            entries: vec![Entry::MISSING, entry],
            ..Report::absent(&contract())
        };
        let kept = CompactReport::of(&report);
        let [CompactValue::Missing, CompactValue::Number(read)] = values(&kept)[..] else {
            panic!("{kept:?}");
        };
        assert_eq!(read.to_bits(), number.to_bits());
    }
}

#[test]
fn several_values_and_reasons_why_there_is_none_are_read_back() {
    let each: Box<[(Box<str>, Reading)]> = Box::new([
        ("a".into(), Reading::Value(Value::Integer(3))),
        ("b".into(), Reading::Missing),
    ]);
    let failed = Reading::Unmeasured(Unmeasured::Failed(Failure::TooManySeries));
    let readings = [Reading::Several(each), failed, Reading::Failed];
    let entries = readings.map(|reading| Entry {
        reading,
        id: 7,
        ..Entry::MISSING
    });
    let report = Report {
        entries: entries.into(),
        ..Report::absent(&contract())
    };
    let kept = CompactReport::of(&report);
    let [CompactValue::Several(several), failed, CompactValue::Failed] = values(&kept)[..] else {
        panic!("{kept:?}");
    };
    let told = [
        ("a", CompactValue::Number(3.0)),
        ("b", CompactValue::Missing),
    ];
    assert_eq!(several.iter().collect::<Vec<_>>(), told);
    let reason = Unmeasured::Failed(Failure::TooManySeries);
    assert_eq!(failed, CompactValue::Unmeasured(reason));
}

#[test]
fn a_measured_value_takes_its_place_and_leaves_the_others() {
    let mut kept = CompactReport::default();
    let entry = |number| Entry {
        reading: Reading::Value(Value::Number(number)),
        id: 7,
        content: 7,
        observed_at: Some(5),
        ..Entry::MISSING
    };
    assert_eq!(kept.measure(3, &entry(1.0), 3), None);
    assert_eq!(kept.entries().count(), 0);
    assert_eq!(kept.measure(1, &entry(1.0), 3), Some(Change::Added));
    assert_eq!(kept.measure(2, &entry(2.0), 3), Some(Change::Added));
    assert_eq!(kept.measure(1, &Entry::MISSING, 3), Some(Change::Removed));
    let told = [
        CompactValue::Missing,
        CompactValue::Missing,
        CompactValue::Number(2.0),
    ];
    assert_eq!(values(&kept), told);
    let times: Vec<_> = kept.entries().map(|entry| entry.observed_at).collect();
    assert_eq!(times, [None, None, Some(5)]);
}

#[test]
fn a_key_is_kept_in_about_twenty_bytes() {
    let kept = CompactReport::of(&report(&json!({
        "latency": "100123us",
        "queue": 7,
        "ready": {"value": true, "observedAt": "2026-11-22T14:05:28Z"},
    })));
    assert_eq!(kept.bytes.len(), 2 + 17 + 11 + 25 + 1 + 1 + 9 + 8 + 1 + 1);
    assert_eq!(size_of::<CompactReport>(), 24);
}
