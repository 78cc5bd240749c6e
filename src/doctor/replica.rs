//! A replica: what its metrics say is wrong.

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::looks::Looks;
use crate::doctor::process::process;
use crate::doctor::samples::Sample;

/// From which share of a limit on it is near.
const NEAR: f64 = 0.8;

/// What will be full within this many seconds is told.
const SOON: f64 = 3_600.0;

/// The share of updates of which so many break their contract that somebody should look.
const MANY: f64 = 0.1;

/// From how many on a share means something.
const ENOUGH: f64 = 100.0;

const DAY: f64 = 86_400.0;

/// What is wrong with a replica.
#[must_use]
pub fn replica(looks: Looks<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    bounds(looks, &mut found);
    feeds(looks, &mut found);
    effects(looks, &mut found);
    alerts(looks, &mut found);
    lost(looks, &mut found);
    certificates(looks, &mut found);
    misdirected(looks, &mut found);
    queries(looks, &mut found);
    updates(looks, &mut found);
    reaction(looks, &mut found);
    process(looks, &mut found);
    found
}

/// What `/readyz?verbose` answered.
#[must_use]
pub fn ready(about: &str, ready: bool, text: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    if !ready {
        let says = text.lines().next().unwrap_or_default().to_owned();
        found.push(Finding::new(
            Severity::Critical,
            "NotReady",
            about,
            says,
            "read the log for what it waits for: the API server, a right, or the directory",
        ));
    }
    let skipped = text
        .lines()
        .filter_map(|line| line.strip_prefix("skipped: "));
    found.extend(skipped.map(|file| {
        Finding::new(
            Severity::Warning,
            "FileSkipped",
            about,
            file.to_owned(),
            "mend the file; `fusegate check` says what is wrong with it",
        )
    }));
    found
}

/// A proxy that has not taken what is published: its name, the type, what it is behind by, and its refusal.
pub fn proxies<'a>(
    about: &str,
    behind: impl Iterator<Item = (&'a str, &'a str, u64, Option<&'a str>)>,
) -> Vec<Finding> {
    let found = behind.filter_map(|(node, of, seconds, refusal)| match refusal {
        Some(words) => Some(Finding::new(Severity::Critical, "ProxyRefuses", about, format!("{node} refuses {of}: {words}"), "`fusegate proxies` names what it refuses; mend the contract's mesh names, or the Envoy")),
        None if seconds > 30 => Some(Finding::new(Severity::Warning, "ProxyBehind", about, format!("{node} has not taken {of} for {seconds} s"), "look at that Envoy: it is stuck, or the network to it is")),
        None => None,
    });
    found.collect()
}

fn bounds(looks: Looks<'_>, found: &mut Vec<Finding>) {
    let advice =
        "docs/bounds.md says what is left out there; find who feeds it, or give fusegate room";
    let now = looks.now.samples;
    for met in now.all("fusegate_bounds_met_total") {
        let times = looks.grown(met);
        if times > 0.0 {
            let message = format!(
                "{} was met {times} times {}",
                met.label("bound"),
                looks.since()
            );
            found.push(looks.find(Severity::Warning, "BoundMet", message, advice));
        }
    }
    for limit in now.all("fusegate_bounds_limit") {
        let name = limit.label("bound");
        let size = now.sum_of("fusegate_bounds_size", "bound", &[name]);
        if limit.value <= 0.0 {
            continue;
        }
        let message = format!("{name} stands at {size} of {}", limit.value);
        // How near memory is, and to what, is told of the process.
        if name != "memory" && size >= NEAR * limit.value {
            found.push(looks.find(Severity::Warning, "BoundNear", message, advice));
        } else if let Some(left) = left(looks, name, size, limit.value) {
            let message = format!(
                "{message}, and is full in {} min if it goes on so",
                (left / 60.0).ceil()
            );
            found.push(looks.find(Severity::Warning, "BoundGrows", message, advice));
        }
    }
}

/// In how many seconds a bound will be met, if that is soon and it is not nearly empty.
fn left(looks: Looks<'_>, bound: &str, size: f64, limit: f64) -> Option<f64> {
    let before = looks.before?;
    let was = before
        .samples
        .sum_of("fusegate_bounds_size", "bound", &[bound]);
    let per_second = (size - was) / (looks.now.at - before.at);
    if per_second.is_nan() || per_second <= 0.0 || size < limit / 100.0 {
        return None;
    }
    let left = (limit - size) / per_second;
    (left < SOON).then_some(left)
}

fn feeds(looks: Looks<'_>, found: &mut Vec<Finding>) {
    for feed in looks
        .now
        .samples
        .all("fusegate_feeds_unconfirmed")
        .filter(|feed| feed.value > 0.0)
    {
        let kind = feed.label("feed");
        let ages = looks.now.samples;
        let age = ages.sum_of("fusegate_feed_age_seconds", "feed", &[kind]);
        let message = format!(
            "{} feeds of {kind} are not confirmed live, one for {age} s",
            feed.value
        );
        let advice = "nothing is resampled and no circuit moves by timer until it is; the log names the kind and the answer, often a missing right to list or watch; if it names none, fusegate gets too little CPU for what is written";
        found.push(looks.find(Severity::Critical, "FeedUnconfirmed", message, advice));
    }
}

fn effects(looks: Looks<'_>, found: &mut Vec<Finding>) {
    for effect in looks.now.samples.all("fusegate_effects_total") {
        let (kind, times) = (effect.label("kind"), looks.grown(effect));
        if times <= 0.0 {
            continue;
        }
        let since = looks.since();
        match effect.label("result") {
            "Failed" => found.push(looks.find(Severity::Warning, "EffectFails", format!("{kind} was given up {times} times {since}"), "the log names the object and the answer; most often a right is missing")),
            "Overflowed" => found.push(looks.find(Severity::Warning, "EffectOverflows", format!("{kind} was dropped {times} times {since}, since too many waited"), "the API server takes writes too slowly for what changes; look at its latency and at what changes so often")),
            "Retried" if looks.before.is_some() && looks.grown_of("fusegate_effects_total", "kind", &[kind]) <= times => found.push(looks.find(Severity::Warning, "EffectStuck", format!("{kind} is only retried, {times} times {since}"), "the log says what the API server answers")),
            _ => {}
        }
    }
}

fn alerts(looks: Looks<'_>, found: &mut Vec<Finding>) {
    let posts = |results: &[&str]| looks.grown_of("fusegate_alert_posts_total", "result", results);
    let failed = posts(&["Failed", "Refused"]);
    if failed <= 0.0 {
        return;
    }
    let message = format!(
        "{failed} requests to Alertmanagers failed or were refused {}",
        looks.since()
    );
    let (severity, code) = if posts(&["Accepted"]) > 0.0 {
        (Severity::Warning, "AlertmanagerFails")
    } else {
        (Severity::Critical, "AlertsNotAccepted")
    };
    found.push(looks.find(severity, code, message, "check the addresses and credentials of --alertmanager, and network policies; the log has the answers"));
}

fn lost(looks: Looks<'_>, found: &mut Vec<Finding>) {
    let rows = [
        (
            "fusegate_audit_lines_dropped_total",
            "AuditLost",
            "audit lines were dropped",
            "--audit goes where writing is slow; give it a faster disk or a pipe that is read",
        ),
        (
            "fusegate_audit_write_errors_total",
            "AuditUnwritable",
            "writes of the audit log failed",
            "the disk of --audit is full or its folder not writable",
        ),
        (
            "fusegate_recorded_turns_dropped_total",
            "RecordingGaps",
            "turns were not recorded",
            "the disk of --record is too slow; a replay goes no further than the gap",
        ),
        (
            "fusegate_recording_write_errors_total",
            "RecordingUnwritable",
            "writes of the recording failed",
            "the disk of --record is full or its folder not writable",
        ),
    ];
    for (name, code, what, advice) in rows {
        let times = looks.grown_of(name, "", &[]);
        if times > 0.0 {
            let message = format!("{times} {what} {}", looks.since());
            found.push(looks.find(Severity::Warning, code, message, advice));
        }
    }
}

fn certificates(looks: Looks<'_>, found: &mut Vec<Finding>) {
    let samples = looks.now.samples;
    let rows = [
        (
            "xDS port",
            "fusegate_xds_tls",
            3.0,
            "XdsCertificateStale",
            "XdsCertificateExpires",
            "look at the secret that is mounted, and at cert-manager's Certificate; the log names the file",
        ),
        (
            "HTTP port",
            "fusegate_http_tls",
            3.0,
            "HttpCertificateStale",
            "HttpCertificateExpires",
            "look at the secret that is mounted, and at cert-manager's Certificate; the log names the file",
        ),
        (
            "webhook",
            "fusegate_admission_tls",
            30.0,
            "WebhookCertificateStale",
            "WebhookCertificateExpires",
            "fusegate renews it itself, unless --webhook-secret names another; look at the Secret, the Role that lets fusegate read and write it, and the log",
        ),
    ];
    for (whose, metric, days, stale, expires, advice) in rows {
        if samples
            .sum(&format!("{metric}_stale"))
            .is_some_and(|stale| stale > 0.0)
        {
            let message = format!(
                "the files of the {whose}'s certificate can't be used; an older one still is"
            );
            found.push(looks.find(Severity::Critical, stale, message, advice));
        }
        let Some(at) = samples
            .sum(&format!("{metric}_expiration_timestamp_seconds"))
            .filter(|at| *at > 0.0)
        else {
            continue;
        };
        let left = (at - looks.now.at) / DAY;
        if left <= 0.0 {
            found.push(looks.find(
                Severity::Critical,
                expires,
                format!("the {whose}'s certificate has expired"),
                advice,
            ));
        } else if left < days {
            found.push(looks.find(
                Severity::Warning,
                expires,
                format!("the {whose}'s certificate expires in {left:.1} days"),
                advice,
            ));
        }
    }
}

fn misdirected(looks: Looks<'_>, found: &mut Vec<Finding>) {
    let asking = looks.now.samples.sum("fusegate_xds_misdirected");
    if let Some(asking) = asking.filter(|asking| *asking > 0.0) {
        found.push(looks.find(
            Severity::Critical,
            "ProxyMisdirected",
            format!("{asking} Envoys ask for a layer whose namespace another shard judges, and are told nothing of it"),
            "`fusegate proxies` shows what they ask for, and `fusegate shards` whose it is: have them ask there",
        ));
    }
}

fn queries(looks: Looks<'_>, found: &mut Vec<Finding>) {
    const ANSWERS: &str = "fusegate_prometheus_answers_total";
    let of = |sample: &Sample| {
        (
            sample.label("contract").to_owned(),
            sample.label("key").to_owned(),
        )
    };
    let answers = || {
        looks
            .now
            .samples
            .all(ANSWERS)
            .filter(|sample| looks.grown(sample) > 0.0)
    };
    for bad in answers().filter(|sample| sample.label("result") != "Answered") {
        if answers().any(|good| good.label("result") == "Answered" && of(good) == of(bad)) {
            continue;
        }
        let (contract, key) = of(bad);
        let message = format!(
            "the query for {key} of contract {contract} is only answered {} {}",
            bad.label("result"),
            looks.since()
        );
        found.push(looks.find(Severity::Warning, "QueryFails", message, "the contract's status has the error; check --prometheus, and the query in Prometheus itself"));
    }
}

fn updates(looks: Looks<'_>, found: &mut Vec<Finding>) {
    let of =
        |verdicts: &[&str]| looks.grown_of("fusegate_map_operations_total", "verdict", verdicts);
    let (rejected, all) = (of(&["Rejected"]), of(&[]));
    if all >= ENOUGH && rejected > MANY * all {
        let mut problems: Vec<(f64, &str)> = looks
            .now
            .samples
            .all("fusegate_problems_total")
            .map(|sample| (looks.grown(sample), sample.label("code")))
            .filter(|(times, _)| *times > 0.0)
            .collect();
        problems.sort_by(|one, other| other.0.total_cmp(&one.0));
        let most: Vec<String> = problems
            .iter()
            .take(3)
            .map(|(times, code)| format!("{code} {times} times"))
            .collect();
        let message = format!(
            "{rejected} of {all} updates broke their contract {}: {}",
            looks.since(),
            most.join(", ")
        );
        found.push(looks.find(Severity::Warning, "UpdatesRejected", message, "the audit log names objects and keys: look for verdict Rejected; `admission` stops them at the API server"));
    }
}

/// The share of slow reactions, from the buckets.
fn reaction(looks: Looks<'_>, found: &mut Vec<Finding>) {
    let within = looks.grown_of("fusegate_reaction_seconds_bucket", "le", &["0.05"]);
    let all = looks.grown_of("fusegate_reaction_seconds_count", "", &[]);
    if all >= ENOUGH && within < 0.99 * all {
        let message = format!(
            "{} of {all} reactions took more than 50 ms {}",
            all - within,
            looks.since()
        );
        found.push(looks.find(Severity::Warning, "ReactsSlowly", message, "look at CPU throttling of the pod, and at the API server's latency: the status of a circuit that opens is written first"));
    }
}
