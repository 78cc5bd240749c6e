//! The fleet: what several replicas say together.

use std::collections::BTreeSet;

use crate::doctor::finding::{Finding, Severity};
use crate::doctor::samples::Samples;

/// A replica and what it measured.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its name or address.
    pub about: &'a str,
    /// What it measured.
    pub samples: &'a Samples,
}

/// What is wrong with them together. Of some replicas only, nobody can say that none leads: say whether these are all.
#[must_use]
pub fn fleet(seen: &[Seen<'_>], all: bool) -> Vec<Finding> {
    let about = "installation";
    let mut found = shards(seen, all);
    let of: BTreeSet<&str> = seen.iter().map(shard).collect();
    for number in of {
        found.extend(lead(seen, all, number));
    }
    let versions: BTreeSet<&str> = seen
        .iter()
        .flat_map(|seen| seen.samples.all("fusegate_build_info"))
        .map(|sample| sample.label("version"))
        .collect();
    if versions.len() > 1 {
        let versions: Vec<&str> = versions.into_iter().collect();
        let message = format!("replicas run versions {}", versions.join(" and "));
        found.push(Finding::new(
            Severity::Note,
            "VersionsDiffer",
            about,
            message,
            "wait for the rollout to end, or look why it does not",
        ));
    }
    found
}

/// The number of a replica's shard, as it says itself.
fn shard<'a>(seen: &Seen<'a>) -> &'a str {
    let mut said = seen.samples.all("fusegate_shards");
    said.next().map_or("1", |sample| sample.label("shard"))
}

/// What is wrong with how they divide the namespaces.
fn shards(seen: &[Seen<'_>], all: bool) -> Vec<Finding> {
    let about = "installation";
    let totals = seen
        .iter()
        .filter_map(|seen| seen.samples.sum("fusegate_shards"));
    let totals: BTreeSet<String> = totals.map(|total| total.to_string()).collect();
    if totals.len() > 1 {
        let totals: Vec<String> = totals.into_iter().collect();
        let message = format!(
            "replicas divide the namespaces into {} shards",
            totals.join(" and ")
        );
        return vec![Finding::new(
            Severity::Warning,
            "ShardsDiffer",
            about,
            message,
            "those of one number wait until no other leads: wait for the rollout to end, and delete Deployments that are left over",
        )];
    }
    let there: BTreeSet<&str> = seen.iter().map(shard).collect();
    let total = totals.first().and_then(|total| total.parse::<usize>().ok());
    let missing = (1..=total.unwrap_or(1)).map(|number| number.to_string());
    let missing: Vec<String> = missing
        .filter(|number| !there.contains(number.as_str()))
        .collect();
    if !all || missing.is_empty() {
        return Vec::new();
    }
    let message = format!("no replica of shard {} is there", missing.join(", "));
    vec![Finding::new(
        Severity::Critical,
        "ShardMissing",
        about,
        message,
        "nothing in its namespaces is judged; `fusegate shards` says which those are: start it, as the chart does with `shards`",
    )]
}

/// What is wrong with who leads a shard.
fn lead(seen: &[Seen<'_>], all: bool, of: &str) -> Option<Finding> {
    let leads = |seen: &&Seen<'_>| seen.samples.sum("fusegate_leading") == Some(1.0);
    let ours = seen.iter().filter(|seen| shard(seen) == of);
    let leaders: Vec<&str> = ours.filter(leads).map(|seen| seen.about).collect();
    let about = &format!("shard {of}");
    match leaders.as_slice() {
        [] if all => {
            let message = "no replica holds the lease".to_owned();
            Some(Finding::new(
                Severity::Critical,
                "NoLeader",
                about,
                message,
                "circuits trip, but nothing is written and none closes; look at its lease, at the right to write leases, and at the logs",
            ))
        }
        [] | [_] => None,
        several => {
            let message = format!(
                "{} replicas say that they hold the lease: {}",
                several.len(),
                several.join(", ")
            );
            Some(Finding::new(
                Severity::Critical,
                "TwoLeaders",
                about,
                message,
                "give each replica a name of its own (--replica, or HOSTNAME), and look at the nodes' clocks",
            ))
        }
    }
}
