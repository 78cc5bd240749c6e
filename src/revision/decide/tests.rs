//! When a rollback is due, and why not.

use std::sync::Arc;

use rstest::rstest;
use serde_json::json;

use super::*;

const HOUR: i64 = 3_600_000;

#[test]
fn the_schema_that_was_live_before_is_the_target() {
    assert_eq!(verdict(|_| {}), Ok(2));
}

#[test]
fn a_revision_that_was_live_again_later_is_newer_than_its_number_says() {
    assert_eq!(verdict(|case| case.revisions[0].seen_at = 9 * HOUR), Ok(1));
}

#[test]
fn a_revision_marked_bad_is_passed_over() {
    assert_eq!(
        verdict(|case| case.revisions[1].bad = Some("trip".into())),
        Ok(1)
    );
}

#[rstest]
#[case::at_the_limit(10 * HOUR + 24 * HOUR, None)]
#[case::past_it(10 * HOUR + 24 * HOUR + 1, Some("NotRecent"))]
#[case::clock_went_back(0, None)]
fn only_a_recent_schema_is_rolled_back(#[case] now: i64, #[case] reason: Option<&str>) {
    let verdict = verdict(|case| case.now = now);
    assert_eq!(verdict.err().as_deref(), reason);
}

#[test]
fn every_obstacle_has_its_reason() {
    let blocked = |change: fn(&mut Case)| verdict(change).unwrap_err();
    assert_eq!(
        blocked(|case| case.revisions.truncate(0)),
        "NoPreviousRevision"
    );
    assert_eq!(
        blocked(|case| case
            .revisions
            .iter_mut()
            .for_each(|r| r.hash = "live".into())),
        "NoPreviousRevision"
    );
    assert_eq!(
        blocked(|case| case.stored = vec!["v1".into(), "v2".into()]),
        "StoredVersionMissing"
    );
    assert_eq!(
        blocked(|case| case.managers = vec!["argocd-controller".into()]),
        "OwnedByArgoCD"
    );
    assert_eq!(
        blocked(|case| case.revisions[1].spec = spec(&json!({"type": "string"}))),
        "Unsafe"
    );
    assert_eq!(
        blocked(|case| case.last_rollback = Some(11 * HOUR - 1)),
        "Cooldown"
    );
}

#[test]
fn what_depends_on_objects_is_left_to_those_who_look_at_them() {
    let removed = |case: &mut Case| case.revisions[1].spec = spec(&json!({"type": "object"}));
    assert_eq!(verdict(removed), Ok(2));
}

#[test]
fn a_cooldown_ends() {
    assert_eq!(verdict(|case| case.last_rollback = Some(10 * HOUR)), Ok(2));
    let message = cooling("foos.example.com", Some(0), 600_000, 1).unwrap();
    assert!(
        message.contains("cooldown is 10m") && message.contains("after 1970-01-01T00:10:00"),
        "{message}"
    );
}

#[test]
fn a_schema_that_came_back_is_decided_on_again() {
    let mut case = Case::new();
    case.incident = Some(IncidentState::RolledBack);
    case.returned = true;
    assert!(matches!(decide(&case.facts()), Verdict::Rollback { .. }));
    case.incident = Some(IncidentState::Contested);
    assert_eq!(
        decide(&case.facts()),
        Verdict::Joined(IncidentState::Contested)
    );
}

#[test]
fn a_blocked_verdict_says_what_is_lost_and_what_to_do() {
    let mut case = Case::new();
    case.revisions[1].spec = spec(&json!({"type": "string"}));
    let Verdict::Blocked { message, .. } = decide(&case.facts()) else {
        panic!("must be blocked");
    };
    assert!(
        message.contains("revision 2 of foos.example.com"),
        "{message}"
    );
    assert!(
        message.contains("versions[v1]: type would go from \"object\" to \"string\""),
        "{message}"
    );
    assert!(message.contains("roll forward"), "{message}");
}

#[rstest]
#[case(IncidentState::RolledBack, true)]
#[case(IncidentState::Blocked, true)]
#[case(IncidentState::Contested, true)]
#[case(IncidentState::Proposed, true)]
#[case(IncidentState::Unknown, true)]
#[case(IncidentState::Claimed, false)]
fn a_trip_joins_an_incident_unless_it_is_merely_claimed(
    #[case] state: IncidentState,
    #[case] joins: bool,
) {
    let mut case = Case::new();
    case.incident = Some(state);
    let joined = decide(&case.facts()) == Verdict::Joined(state);
    assert_eq!(joined, joins);
}

#[test]
fn the_contract_has_the_last_word() {
    let mut case = Case::new();
    case.mode = RollbackMode::Off;
    assert_eq!(decide(&case.facts()), Verdict::Off);
    case.mode = RollbackMode::Propose;
    assert!(matches!(decide(&case.facts()), Verdict::Propose { target } if target.number == 2));
}

struct Case {
    mode: RollbackMode,
    now: i64,
    live: Arc<Value>,
    revisions: Vec<Revision>,
    stored: Vec<String>,
    managers: Vec<String>,
    labels: BTreeMap<String, String>,
    incident: Option<IncidentState>,
    returned: bool,
    last_rollback: Option<i64>,
}

impl Case {
    fn new() -> Self {
        let size = |maximum: u32| {
            spec(
                &json!({"type": "object", "properties": {"size": {"type": "integer", "maximum": maximum}}}),
            )
        };
        Self {
            mode: RollbackMode::Auto,
            now: 11 * HOUR,
            live: size(1),
            revisions: vec![revision(1, HOUR, size(5)), revision(2, 2 * HOUR, size(9))],
            stored: vec!["v1".into()],
            managers: vec!["kubectl".into()],
            labels: BTreeMap::new(),
            incident: None,
            returned: false,
            last_rollback: None,
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            mode: self.mode,
            changed_within: 24 * HOUR.unsigned_abs(),
            now: self.now,
            crd: "foos.example.com",
            live_hash: "live",
            live_spec: &self.live,
            live_since: 10 * HOUR,
            revisions: &self.revisions,
            stored_versions: &self.stored,
            managers: &self.managers,
            labels: &self.labels,
            owners: &[],
            incident: self.incident,
            returned: self.returned,
            last_rollback: self.last_rollback,
            cooldown: 600_000,
        }
    }
}

/// The target's number, or the reason why there is none.
fn verdict(change: impl FnOnce(&mut Case)) -> Result<u64, String> {
    let mut case = Case::new();
    change(&mut case);
    match decide(&case.facts()) {
        Verdict::Rollback { target } => Ok(target.number),
        Verdict::Blocked { reason, .. } => Err(reason.to_owned()),
        other => panic!("{other:?}"),
    }
}

fn revision(number: u64, seen_at: i64, spec: Arc<Value>) -> Revision {
    Revision {
        crd: "foos.example.com".into(),
        crd_uid: "uid".into(),
        number,
        hash: format!("hash-{number}").into(),
        seen_at,
        bad: None,
        spec,
    }
}

fn spec(schema: &Value) -> Arc<Value> {
    Arc::new(json!({"versions": [{"name": "v1", "schema": {"openAPIV3Schema": schema}}]}))
}
