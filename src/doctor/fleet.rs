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
    let leads = |seen: &&Seen<'_>| seen.samples.sum("fusegate_leading") == Some(1.0);
    let leaders: Vec<&str> = seen.iter().filter(leads).map(|seen| seen.about).collect();
    let mut found = Vec::new();
    match leaders.as_slice() {
        [] if all => {
            let message = "no replica holds the lease".to_owned();
            found.push(Finding::new(Severity::Critical, "NoLeader", about, message, "circuits trip, but nothing is written and none closes; look at lease fusegate, at the right to write leases, and at the logs"));
        }
        [] | [_] => {}
        several => {
            let message = format!(
                "{} replicas say that they hold the lease: {}",
                several.len(),
                several.join(", ")
            );
            found.push(Finding::new(Severity::Critical, "TwoLeaders", about, message, "give each replica a name of its own (--replica, or HOSTNAME), and look at the nodes' clocks"));
        }
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
