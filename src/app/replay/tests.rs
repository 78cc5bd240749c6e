//! Replays that can't be the same, or can't go on, and what is said of them.

use std::fs;

use rstest::rstest;

use super::*;

const HEADER: &str = "{\"recording\":{\"format\":1,\"version\":\"0.0.9\",\"cluster\":\"c\",\"link\":\"http://l\"}}\n";
const LEADING: &str = "{\"turn\":{\"number\":1,\"mono\":2592000000,\"wall\":1700000000007,\"events\":[{\"Leading\":true}]}}\n";
const DIGEST: &str = "0123456789abcdef0123456789abcdef";

/// Whether it was the same, what was printed and what was told.
fn replayed(text: &str, trip: Option<&str>) -> (anyhow::Result<bool>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recording.jsonl");
    fs::write(&file, text).unwrap();
    let options = Replay {
        file,
        trip: trip.map(str::to_owned),
        snapshot: false,
        quiet: false,
        audit: None,
    };
    let (mut out, mut told) = (Vec::new(), Vec::new());
    let same = replay(&options, &mut out, &mut told);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (same, text(out), text(told))
}

#[rstest]
#[case::audit("audit", "its audit lines differ")]
#[case::snapshot("snapshot", "what it published differs")]
fn the_first_turn_that_differs_is_named_with_its_time_and_both_digests(
    #[case] part: &str,
    #[case] expected: &str,
) {
    let turn = format!(
        "{{\"turn\":{{\"number\":2,\"mono\":2592000001,\"wall\":1700000000008,\"{part}\":\"{DIGEST}\"}}}}\n"
    );
    let (same, _, told) = replayed(&format!("{HEADER}{LEADING}{turn}"), None);
    assert!(!same.unwrap());
    let expected = format!(
        "turn 2 at 2023-11-14T22:13:20.008Z differs from the recording; {expected} (recorded {DIGEST}, replayed none)\n\
         recorded by fusegate 0.0.9, replayed by fusegate "
    );
    assert!(told.contains(&expected), "{told}");
}

#[test]
fn what_can_be_replayed_is_told_before_what_can_not() {
    let text = format!("{HEADER}{LEADING}{{\"gap\":{{\"turns\":2}}}}\n");
    let (same, _, told) = replayed(&text, None);
    assert!(told.starts_with("replayed 1 turns with 1 events"), "{told}");
    let refused = format!("{:#}", same.unwrap_err());
    assert!(
        refused.starts_with("line 3: 2 turns are missing here"),
        "{refused}"
    );
}

#[test]
fn a_torn_recording_is_the_same_as_far_as_it_goes() {
    let (same, _, told) = replayed(&format!("{HEADER}{LEADING}{{\"turn\":"), None);
    assert!(same.unwrap());
    assert!(told.contains("whose 8 bytes were left out"), "{told}");
}

#[test]
fn a_recording_cut_between_two_lines_lacks_its_closing_line() {
    let end = "{\"end\":{\"why\":\"stopped\"}}\n";
    let (same, _, told) = replayed(&format!("{HEADER}{LEADING}{end}"), None);
    assert!(same.unwrap());
    assert!(told.contains("fusegate was stopped"), "{told}");
    let (same, _, told) = replayed(&format!("{HEADER}{LEADING}"), None);
    assert!(same.unwrap());
    assert!(
        told.contains("has no closing line") && told.contains("to 2023-11-14T22:13:20.007Z"),
        "{told}"
    );
}

#[test]
fn a_trip_that_is_not_there_is_told_so() {
    let (same, ..) = replayed(&format!("{HEADER}{LEADING}"), Some("9f86d081884c7d65"));
    let refused = same.unwrap_err().to_string();
    assert!(
        refused.contains("no circuit tripped with the id 9f86d081884c7d65"),
        "{refused}"
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let options = Replay {
        file: "/nowhere/recording.jsonl".into(),
        trip: None,
        snapshot: false,
        quiet: true,
        audit: None,
    };
    let refused = replay(&options, &mut Vec::new(), &mut Vec::new()).unwrap_err();
    assert!(
        refused
            .to_string()
            .starts_with("/nowhere/recording.jsonl: can't be opened")
    );
}

/// A recording by a fusegate that knew none of the rules: of a Canary whose clock is an hour ahead, and of one whose
/// status is written in small letters.
#[test]
fn a_recording_of_before_is_compared_with_its_audit_log() {
    let folder = tempfile::tempdir().unwrap();
    let [file, log] = ["recording.jsonl", "audit.jsonl"].map(|name| folder.path().join(name));
    fs::write(&file, include_str!("fixtures/before.jsonl")).unwrap();
    fs::write(&log, include_str!("fixtures/before.audit.jsonl")).unwrap();
    let options = Replay {
        file,
        trip: None,
        snapshot: false,
        quiet: false,
        audit: Some(log),
    };
    let (mut out, mut told) = (Vec::new(), Vec::new());
    assert!(!replay(&options, &mut out, &mut told).unwrap());
    let [out, told] = [out, told].map(|bytes| String::from_utf8(bytes).unwrap());
    let why = out.lines().filter(|line| line.starts_with("  why"));
    assert!(why.clone().count() >= 2, "{out}");
    for line in why {
        assert!(
            line.contains("rule ") || line.contains("follows from"),
            "{line}"
        );
    }
    assert!(told.contains("rule 1 has changed since: "), "{told}");
}
