//! Audit lines as bytes, and as they arrive in files, pipes and full disks.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::breaker::circuit::StateName;
use crate::wire::audit::{Action, Operation, Source, Verdict};

fn differs(sign: char, key: &str) -> KeyDiff {
    let key = key.into();
    KeyDiff { sign, key }
}

#[test]
fn a_line_has_every_field_under_its_name() {
    let line = Line {
        at: 1_700_000_000_007,
        action: Action::Map,
        source: Source::Watch,
        resource: "Storefront.shop.example.com/shop/web".into(),
        uid: "u1".into(),
        resource_version: "42".into(),
        operation: Operation::Update,
        keys_before: Some(3),
        keys_after: Some(4),
        diff_keys: vec![differs('+', "a"), differs('~', "b")],
        diff_keys_omitted: 2,
        verdict: Verdict::Rejected,
        reason: "too many".into(),
        policy: Some("shop/checkout".into()),
        trip_id: Some("t1".into()),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
    };
    let expected = json!({
        "time": "2023-11-14T22:13:20.007Z", "action": "Map", "source": "watch",
        "resource": "Storefront.shop.example.com/shop/web", "uid": "u1", "resource_version": "42",
        "operation": "Update", "keys_before": 3, "keys_after": 4, "diff_keys": ["+a", "~b"],
        "diff_keys_omitted": 2, "verdict": "Rejected", "reason": "too many",
        "policy": "shop/checkout", "trip_id": "t1",
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    });
    assert_eq!(parsed(&line), expected);
}

#[test]
fn what_does_not_apply_is_left_out() {
    let line = Line {
        action: Action::State,
        source: Source::Timer,
        operation: Operation::Move(StateName::Open),
        verdict: Verdict::Enforced,
        ..Line::default()
    };
    let expected = json!({
        "time": "1970-01-01T00:00:00.000Z", "action": "State", "source": "timer", "operation": "Open", "verdict": "Enforced",
    });
    assert_eq!(parsed(&line), expected);
}

#[test]
fn no_text_breaks_a_line_or_its_json() {
    let all: String = (0..0x3000).filter_map(char::from_u32).collect();
    let forged = "x\"}\n{\"time\":\"forged\"\r\u{85}\u{2028}\u{202e}\0\u{7f}😀\u{10ffff}";
    for text in [all.as_str(), forged] {
        let line = Line {
            resource: text.into(),
            diff_keys: vec![differs('+', text)],
            ..Line::default()
        };
        let bytes = written(&line);
        let shown = String::from_utf8(bytes).unwrap();
        let breaks = |c: char| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c);
        assert!(!shown.trim_end_matches('\n').contains(breaks));
        assert_eq!(shown.matches('\n').count(), 1);
        assert_eq!(parsed(&line)["resource"], text);
        assert_eq!(parsed(&line)["diff_keys"][0], format!("+{text}"));
    }
}

#[test]
fn times_that_can_not_be_written_do_no_harm() {
    let mut writer = Writer::default();
    for at in [
        i64::MIN,
        i64::MAX,
        -1,
        0,
        1_700_000_000_999,
        1_700_000_001_000,
    ] {
        let mut out = Vec::new();
        writer.line(
            &Line {
                at,
                ..Line::default()
            },
            &mut out,
        );
        let value: Value = serde_json::from_slice(&out).unwrap();
        let time = value["time"].as_str().unwrap();
        assert!(fusegate_crds::Time::parse(time).is_some(), "{time}");
    }
}

#[tokio::test]
async fn lines_reach_the_file_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let metrics = Metrics::new();
    let log = open(&path, &metrics);
    for at in 0..1_000 {
        log.push(line(at));
    }
    drain(log).await;
    let times: Vec<_> = lines(&path)
        .iter()
        .map(|line| line["uid"].clone())
        .collect();
    let expected: Vec<_> = (0..1_000).map(|at| Value::from(at.to_string())).collect();
    assert_eq!(times, expected);
    assert_eq!(metrics.audit_lines.get(), 1_000);
}

#[tokio::test]
async fn lines_that_find_no_room_are_counted_and_confessed() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    // Opening a pipe for writing waits for its reader, and writing waits once it is full.
    let reading = fifo.clone();
    let reader = thread::spawn(move || fs::File::open(reading).unwrap());
    let metrics = Metrics::new();
    let log = open(&fifo, &metrics);
    let mut reader = reader.join().unwrap();
    for at in 0..200_000 {
        log.push(line(at));
    }
    let dropped = metrics.audit_lines_dropped.get();
    assert!(dropped > 0);
    let all = thread::spawn(move || {
        let mut text = String::new();
        std::io::Read::read_to_string(&mut reader, &mut text).unwrap();
        text
    });
    drain(log).await;
    let text = all.join().unwrap();
    let parsed: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let lost: u64 = parsed.iter().filter_map(|line| line["lost"].as_u64()).sum();
    assert_eq!(lost, dropped);
    assert_eq!(
        parsed.iter().filter(|line| line["action"] == "Map").count() as u64 + lost,
        200_000
    );
}

#[tokio::test]
async fn a_line_torn_by_a_crash_is_cut_off_and_a_moved_file_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    fs::write(&path, "{\"time\":\"whole\"}\n{\"time\":\"torn").unwrap();
    let metrics = Metrics::new();
    let log = open(&path, &metrics);
    log.push(line(1));
    while metrics.audit_lines.get() < 1 {
        tokio::task::yield_now().await;
    }
    let moved = folder.path().join("audit.jsonl.1");
    fs::rename(&path, &moved).unwrap();
    log.push(line(2));
    drain(log).await;
    assert_eq!(lines(&moved).len(), 2);
    assert_eq!(lines(&path).len(), 1);
}

#[tokio::test]
async fn a_full_disk_is_tried_again_and_given_up_at_the_deadline() {
    let metrics = Metrics::new();
    let log = open(Path::new("/dev/full"), &metrics);
    log.push(line(1));
    while metrics.audit_write_errors.get() < 2 {
        tokio::task::yield_now().await;
    }
    log.drain(Instant::now() + Duration::from_millis(10)).await;
    assert_eq!(metrics.audit_lines.get(), 0);
}

#[test]
fn a_log_that_can_not_be_opened_is_named() {
    let missing = Destination::new("/no/such/folder/audit.jsonl");
    let refused = Log::open(missing, Clock::start(), Metrics::new()).unwrap_err();
    assert!(refused.to_string().contains("/no/such/folder/audit.jsonl"));
    assert_eq!(Destination::new("-"), Destination::Stdout);
}

fn open(path: &Path, metrics: &Metrics) -> Log {
    Log::open(Destination::new(path), Clock::start(), metrics.clone()).unwrap()
}

async fn drain(log: Log) {
    log.drain(Instant::now() + Duration::from_secs(30)).await;
}

fn line(at: i64) -> Box<Line> {
    Box::new(Line {
        at,
        uid: at.to_string().into(),
        ..Line::default()
    })
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn written(line: &Line) -> Vec<u8> {
    let mut out = Vec::new();
    Writer::default().line(line, &mut out);
    out
}

fn parsed(line: &Line) -> Value {
    serde_json::from_slice(&written(line)).unwrap()
}

#[tokio::test]
async fn whoever_waits_for_what_was_queued_finds_it_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let log = Log::open(Destination::new(&path), Clock::start(), Metrics::new()).unwrap();
    for lines in 1..=100 {
        log.push(Box::default());
        log.written().await;
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), lines);
    }
}
