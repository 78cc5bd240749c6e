//! Each fault alone is found, and a healthy installation has none.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

const NOW: f64 = 1_800_000_000.0;

const HEALTHY: &str = r#"
# HELP fusegate_build_info The version that runs.
fusegate_build_info{version="0.1.0"} 1
fusegate_leading 1
fusegate_bounds_met_total{bound="circuits"} 0
fusegate_bounds_limit{bound="circuits"} 1000000
fusegate_bounds_size{bound="circuits"} 20000
fusegate_feeds_unconfirmed{feed="Objects"} 0
fusegate_feed_age_seconds{feed="Objects"} 4
fusegate_effects_total{kind="Status",result="Done"} 900
fusegate_effects_total{kind="Status",result="Retried"} 0
fusegate_alert_posts_total{result="Accepted"} 50
fusegate_audit_lines_dropped_total 0
fusegate_xds_tls_stale 0
fusegate_xds_tls_expiration_timestamp_seconds 1803000000
fusegate_map_operations_total{verdict="Published"} 9000
fusegate_map_operations_total{verdict="Rejected"} 90
fusegate_reaction_seconds_bucket{le="0.05"} 1000
fusegate_reaction_seconds_count 1000
fusegate_cgroup_memory_bytes 990
fusegate_cgroup_memory_needed_bytes 100
fusegate_memory_pressure 0
fusegate_bounds_limit{bound="memory"} 900
fusegate_bounds_size{bound="memory"} 100
fusegate_cgroup_memory_limit_bytes 1000
fusegate_allocator_bytes{state="used"} 60000000
fusegate_allocator_bytes{state="resident"} 100000000
process_open_fds 100
process_max_fds 1024
process_major_page_faults_total 10
"#;

/// The healthy text with these lines in place of those of the same names and labels, or added.
fn with(lines: &str) -> Samples {
    let name = |line: &str| line.rsplit_once(' ').map(|(name, _)| name.to_owned());
    let new: Vec<_> = lines.lines().map(name).collect();
    let kept = HEALTHY.lines().filter(|line| !new.contains(&name(line)));
    let text: Vec<&str> = kept.chain(lines.lines()).collect();
    Samples::read(&text.join("\n")).unwrap()
}

fn look(samples: &Samples, at: f64) -> Look<'_> {
    Look { samples, at }
}

fn codes(found: &[Finding]) -> Vec<&str> {
    found.iter().map(|finding| finding.code).collect()
}

/// What is found by one look.
fn once(now: &Samples) -> Vec<Finding> {
    replica(Looks {
        about: "it",
        now: look(now, NOW),
        before: None,
    })
}

/// What is found by a second look, ten seconds after a healthy one.
fn twice(before: &Samples, now: &Samples) -> Vec<Finding> {
    replica(Looks {
        about: "it",
        now: look(now, NOW),
        before: Some(look(before, NOW - 10.0)),
    })
}

#[test]
fn nothing_is_wrong_with_a_healthy_replica() {
    let healthy = with("");
    assert_eq!(codes(&once(&healthy)), [""; 0]);
    assert_eq!(codes(&twice(&healthy, &healthy)), [""; 0]);
    let seen = Seen {
        about: "it",
        samples: &healthy,
    };
    assert_eq!(codes(&fleet(&[seen], true)), [""; 0]);
    assert_eq!(codes(&ready("it", true, "ok\n")), [""; 0]);
}

#[rstest]
#[case::met(
    "fusegate_bounds_met_total{bound=\"circuits\"} 3",
    "BoundMet",
    "circuits was met 3 times"
)]
#[case::near(
    "fusegate_bounds_size{bound=\"circuits\"} 800000",
    "BoundNear",
    "circuits stands at 800000 of 1000000"
)]
#[case::feed(
    "fusegate_feeds_unconfirmed{feed=\"Objects\"} 2",
    "FeedUnconfirmed",
    "2 feeds of Objects"
)]
#[case::unconfirmed_for_long(
    "fusegate_feed_age_seconds{feed=\"Objects\"} 80\nfusegate_feeds_unconfirmed{feed=\"Objects\"} 1",
    "FeedUnconfirmed",
    "1 feeds of Objects are not confirmed live, one for 80 s"
)]
#[case::failed(
    "fusegate_effects_total{kind=\"Rollback\",result=\"Failed\"} 1",
    "EffectFails",
    "Rollback was given up 1 times"
)]
#[case::overflowed(
    "fusegate_effects_total{kind=\"Status\",result=\"Overflowed\"} 4",
    "EffectOverflows",
    "Status was dropped 4 times"
)]
#[case::one_alertmanager(
    "fusegate_alert_posts_total{result=\"Failed\"} 5",
    "AlertmanagerFails",
    "5 requests"
)]
#[case::no_alertmanager(
    "fusegate_alert_posts_total{result=\"Accepted\"} 0\nfusegate_alert_posts_total{result=\"Refused\"} 5",
    "AlertsNotAccepted",
    "5 requests"
)]
#[case::audit("fusegate_audit_lines_dropped_total 7", "AuditLost", "7 audit lines")]
#[case::audit_disk(
    "fusegate_audit_write_errors_total 2",
    "AuditUnwritable",
    "2 writes of the audit log"
)]
#[case::recording("fusegate_recorded_turns_dropped_total 7", "RecordingGaps", "7 turns")]
#[case::recording_disk(
    "fusegate_recording_write_errors_total 1",
    "RecordingUnwritable",
    "1 writes"
)]
#[case::stale("fusegate_xds_tls_stale 1", "XdsCertificateStale", "xDS port")]
#[case::expires(
    "fusegate_xds_tls_expiration_timestamp_seconds 1800086400",
    "XdsCertificateExpires",
    "expires in 1.0 days"
)]
#[case::expired(
    "fusegate_xds_tls_expiration_timestamp_seconds 1700000000",
    "XdsCertificateExpires",
    "has expired"
)]
#[case::misdirected("fusegate_xds_misdirected 2", "ProxyMisdirected", "2 Envoys ask")]
#[case::http_stale("fusegate_http_tls_stale 1", "HttpCertificateStale", "HTTP port")]
#[case::webhook_stale("fusegate_admission_tls_stale 1", "WebhookCertificateStale", "webhook")]
#[case::webhook_expires(
    "fusegate_admission_tls_expiration_timestamp_seconds 1802000000",
    "WebhookCertificateExpires",
    "expires in 23.1 days"
)]
#[case::query(
    "fusegate_prometheus_answers_total{contract=\"c\",key=\"error-rate\",result=\"Timeout\"} 3",
    "QueryFails",
    "error-rate of contract c is only answered Timeout"
)]
#[case::rejected(
    "fusegate_map_operations_total{verdict=\"Rejected\"} 5000\nfusegate_problems_total{code=\"UnknownKey\"} 4000",
    "UpdatesRejected",
    "UnknownKey 4000 times"
)]
#[case::slow(
    "fusegate_reaction_seconds_bucket{le=\"0.05\"} 900",
    "ReactsSlowly",
    "100 of 1000 reactions"
)]
#[case::memory(
    "fusegate_cgroup_memory_needed_bytes 880\nfusegate_bounds_size{bound=\"memory\"} 880\nfusegate_memory_pressure 1",
    "MemoryNearLimit",
    "880 of 1000 bytes"
)]
#[case::short(
    "fusegate_cgroup_memory_needed_bytes 920\nfusegate_bounds_size{bound=\"memory\"} 920\nfusegate_memory_pressure 2",
    "MemoryShort",
    "920 of 1000 bytes are used"
)]
#[case::not_returned(
    "fusegate_allocator_bytes{state=\"resident\"} 300000000",
    "MemoryNotReturned",
    "holds 300000000 bytes, of which the program uses 60000000"
)]
#[case::killed(
    "fusegate_cgroup_memory_events_total{event=\"oom_kill\"} 1",
    "OutOfMemory",
    "killed 1 processes"
)]
#[case::files("process_open_fds 1000", "FilesNearLimit", "1000 of 1024 files")]
fn a_fault_is_found_by_one_look(#[case] lines: &str, #[case] code: &str, #[case] says: &str) {
    let found = once(&with(lines));
    assert_eq!(codes(&found), [code]);
    let finding = found.first().unwrap();
    assert!(finding.message.contains(says), "{}", finding.message);
    assert!(!finding.advice.is_empty());
}

#[rstest]
#[case::grows(
    "fusegate_bounds_size{bound=\"circuits\"} 30000",
    "BoundGrows",
    "full in 17 min"
)]
#[case::memory_grows(
    "fusegate_cgroup_memory_needed_bytes 110\nfusegate_bounds_size{bound=\"memory\"} 110",
    "BoundGrows",
    "memory stands at 110 of 900, and is full in 14 min"
)]
#[case::stuck(
    "fusegate_effects_total{kind=\"Status\",result=\"Retried\"} 6",
    "EffectStuck",
    "Status is only retried, 6 times just now"
)]
#[case::paging(
    "process_major_page_faults_total 5010",
    "Paging",
    "500 page faults a second"
)]
fn a_fault_is_found_by_two_looks(#[case] lines: &str, #[case] code: &str, #[case] says: &str) {
    let found = twice(&with(""), &with(lines));
    assert_eq!(codes(&found), [code]);
    let message = &found.first().unwrap().message;
    assert!(message.contains(says), "{message}");
}

#[rstest]
#[case("fusegate_bounds_met_total{bound=\"circuits\"} 3")]
#[case("fusegate_effects_total{kind=\"Rollback\",result=\"Failed\"} 1")]
#[case("fusegate_alert_posts_total{result=\"Failed\"} 5")]
#[case("fusegate_audit_lines_dropped_total 7")]
#[case("fusegate_map_operations_total{verdict=\"Rejected\"} 5000")]
#[case("fusegate_cgroup_memory_events_total{event=\"oom_kill\"} 1")]
#[case("process_major_page_faults_total 5010")]
fn what_was_wrong_once_is_not_told_by_a_second_look(#[case] lines: &str) {
    let (before, now) = (with(lines), with(lines));
    assert_eq!(codes(&twice(&before, &now)), [""; 0]);
}

#[test]
fn memory_that_nothing_limits_is_never_full() {
    let unlimited = |size: u64| {
        with(&format!(
            "fusegate_bounds_limit{{bound=\"memory\"}} 0\nfusegate_bounds_size{{bound=\"memory\"}} {size}"
        ))
    };
    assert_eq!(codes(&twice(&unlimited(1_000), &unlimited(2_000))), [""; 0]);
}

#[test]
fn a_query_that_is_answered_now_and_then_does_not_fail() {
    let answers = "fusegate_prometheus_answers_total{contract=\"c\",key=\"k\",result=\"Timeout\"} 3\n\
                   fusegate_prometheus_answers_total{contract=\"c\",key=\"k\",result=\"Answered\"} 1";
    assert_eq!(codes(&once(&with(answers))), [""; 0]);
}

#[test]
fn a_replica_without_a_memory_limit_is_noted() {
    let text: Vec<&str> = HEALTHY
        .lines()
        .filter(|line| !line.contains("limit_bytes"))
        .collect();
    let found = once(&Samples::read(&text.join("\n")).unwrap());
    assert_eq!(codes(&found), ["NoMemoryLimit"]);
    assert!(
        found
            .iter()
            .all(|finding| finding.severity == Severity::Note)
    );
}

#[rstest]
#[case(&[0, 0], true, &["NoLeader"])]
#[case(&[0, 0], false, &[])]
#[case(&[1, 0], true, &[])]
#[case(&[1, 1], false, &["TwoLeaders"])]
fn one_replica_leads(#[case] leading: &[u8], #[case] all: bool, #[case] expected: &[&str]) {
    let samples: Vec<Samples> = leading
        .iter()
        .map(|leads| with(&format!("fusegate_leading {leads}")))
        .collect();
    let seen: Vec<Seen<'_>> = samples
        .iter()
        .map(|samples| Seen {
            about: "it",
            samples,
        })
        .collect();
    assert_eq!(codes(&fleet(&seen, all)), expected);
}

#[rstest]
#[case(&[("1", 2, 1), ("2", 2, 1)], true, &[])]
#[case(&[("1", 2, 1), ("2", 2, 0)], true, &["NoLeader"])]
#[case(&[("1", 3, 1), ("3", 3, 1)], true, &["ShardMissing"])]
#[case(&[("1", 3, 1), ("3", 3, 1)], false, &[])]
#[case(&[("1", 1, 1), ("1", 2, 0), ("2", 2, 0)], false, &["ShardsDiffer"])]
fn each_shard_is_there_and_led(
    #[case] replicas: &[(&str, u8, u8)],
    #[case] all: bool,
    #[case] expected: &[&str],
) {
    let text = |(shard, total, leads): &(&str, u8, u8)| {
        let shards = format!("fusegate_shards{{shard=\"{shard}\"}} {total}");
        with(&format!("{shards}\nfusegate_leading {leads}"))
    };
    let samples: Vec<Samples> = replicas.iter().map(text).collect();
    let seen = samples.iter().map(|samples| Seen {
        about: "it",
        samples,
    });
    let seen: Vec<Seen<'_>> = seen.collect();
    assert_eq!(codes(&fleet(&seen, all)), expected);
}

#[test]
fn replicas_of_two_versions_are_noted() {
    let text = HEALTHY
        .replace("0.1.0", "0.2.0")
        .replace("leading 1", "leading 0");
    let (one, other) = (with(""), Samples::read(&text).unwrap());
    let seen = [&one, &other].map(|samples| Seen {
        about: "it",
        samples,
    });
    let found = fleet(&seen, true);
    assert_eq!(codes(&found), ["VersionsDiffer"]);
    assert_eq!(
        found.first().unwrap().message,
        "replicas run versions 0.1.0 and 0.2.0"
    );
}

#[test]
fn what_is_not_ready_or_skipped_is_found() {
    let found = ready("it", false, "not listed yet\nskipped: a.yaml: no kind\n");
    assert_eq!(codes(&found), ["NotReady", "FileSkipped"]);
    let found = found.iter().map(|finding| finding.message.as_str());
    assert!(found.eq(["not listed yet", "a.yaml: no kind"]));
}

#[test]
fn proxies_that_refuse_or_hang_are_found() {
    let behind = [
        ("edge-1", "Runtime", 3, None),
        ("edge-2", "Runtime", 31, None),
        ("edge-3", "Runtime", 3, Some("no such runtime key")),
    ];
    let found = proxies("it", behind.into_iter());
    assert_eq!(codes(&found), ["ProxyBehind", "ProxyRefuses"]);
}

#[rstest]
#[case(None, "there is no such lease")]
#[case(Some(Holder { name: None, renewed: Some(1.0), held_for: 15.0 }), "nobody holds it")]
#[case(Some(Holder { name: Some("pod-1"), renewed: Some(16.0), held_for: 15.0 }), "pod-1 has not renewed it for 16 s")]
#[case(Some(Holder { name: Some("pod-1"), renewed: None, held_for: 15.0 }), "pod-1 has not renewed it")]
fn a_lease_that_nobody_holds_is_found(#[case] lease: Option<Holder<'_>>, #[case] says: &str) {
    let found = holder("lease a/b", lease.as_ref()).unwrap();
    assert_eq!(found.code, "LeaseNotHeld");
    assert!(found.message.contains(says), "{}", found.message);
}

#[test]
fn a_lease_that_is_renewed_is_no_finding() {
    let lease = Holder {
        name: Some("pod-1"),
        renewed: Some(4.0),
        held_for: 15.0,
    };
    assert_eq!(holder("lease a/b", Some(&lease)), None);
}

#[test]
fn a_crd_is_there_and_of_this_version() {
    assert_eq!(crd("c", None).unwrap().code, "CrdMissing");
    assert_eq!(crd("c", Some(false)).unwrap().code, "CrdDiffers");
    assert_eq!(crd("c", Some(true)), None);
}

#[test]
fn a_missing_right_comes_with_its_rule() {
    let missing = Right {
        verb: "watch",
        group: "apps".to_owned(),
        resource: "deployments".to_owned(),
    };
    let rule = r#"{apiGroups: ["apps"], resources: ["deployments"], verbs: ["watch"]}"#;
    assert!(right("it", &missing).message.contains(rule));
}

#[rstest]
#[case(
    "no metrics at all",
    "line 1 is no sample of a metric: no metrics at all; give what GET /metrics answers"
)]
#[case(
    "up 1",
    "this is not what fusegate measures: fusegate_build_info is missing; give what GET /metrics answers"
)]
#[case(
    "a{b=\"c} 1",
    "line 1 is no sample of a metric: a{b=\"c} 1; give what GET /metrics answers"
)]
fn what_are_no_metrics_is_said(#[case] text: &str, #[case] says: &str) {
    assert_eq!(Samples::read(text).unwrap_err().to_string(), says);
}

proptest! {
    #[test]
    fn any_label_is_read_as_it_was_written(value in any::<String>(), number in 0_u32..1_000_000) {
        let escaped = value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
        prop_assume!(!value.contains('\r'));
        let text = format!("fusegate_build_info{{version=\"{escaped}\",of=\"it\"}} {number}");
        let samples = Samples::read(&text).unwrap();
        let sample = samples.all("fusegate_build_info").next().unwrap();
        prop_assert_eq!(sample.label("version"), value);
        prop_assert_eq!(sample.label("of"), "it");
        prop_assert_eq!(samples.sum("fusegate_build_info"), Some(f64::from(number)));
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = Samples::read(&text);
    }
}
