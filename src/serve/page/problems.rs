//! The problems: what is wrong with the installation itself, and where to look.

use serde::Serialize;

use crate::breaker::time::Mono;
use crate::serve::state::ServeState;
use crate::serve::verdict::STALLED_AFTER;
use crate::serve::wire;
use crate::wire::view::View;

/// The most that are listed of one sort.
const LISTED: usize = 50;

/// One problem.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    /// In a few words.
    what: String,
    /// In a sentence, with what to do.
    why: String,
    /// The page that shows more, if one does.
    at: Option<String>,
}

/// All of them, the worst first.
pub(super) fn of(state: &ServeState, view: &View, now: Mono) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut add =
        |what: String, why: String, at: Option<String>| found.push(Problem { what, why, at });
    let silent = now.since(state.heartbeat.last());
    if silent >= STALLED_AFTER {
        let why = format!(
            "it has not come round for {} s: what this page shows is as old, and gates answer Unknown; its last log lines say where it stands",
            wire::seconds(silent)
        );
        add("The engine stands still".to_owned(), why, None);
    }
    if !view.synced {
        let why = "contracts, policies and overrides have not all been listed; if this lasts, check that the source can be read";
        add("Not synced yet".to_owned(), why.to_owned(), None);
    }
    for (kind, since) in view.unconfirmed.iter().take(LISTED) {
        let why = format!(
            "its watch has not been confirmed for {} s: nothing of it is resampled, and past 30 s its gates answer Unknown; check the API server and the rights to watch it",
            wire::seconds(now.since(*since))
        );
        add(format!("{kind} is not watched"), why, None);
    }
    for (name, contract) in view.contracts.iter().take(1_000) {
        let at = Some(format!("contracts/{name}"));
        if let Some(rejected) = &contract.rejected {
            add(
                format!("Contract {name} is not accepted"),
                rejected.to_string(),
                at.clone(),
            );
        }
        let conditions = contract.status.iter().flat_map(|status| &status.conditions);
        for condition in
            conditions.filter(|condition| is_wrong(&condition.type_, &condition.status))
        {
            let what = format!(
                "Contract {name}: {} is {}",
                condition.type_, condition.status
            );
            add(
                what,
                format!("{}: {}", condition.reason, condition.message),
                at.clone(),
            );
        }
    }
    for ((namespace, name), policy) in &view.policies {
        let at = Some(format!("policies/{namespace}/{name}"));
        let conditions = policy.status.iter().flat_map(|status| &status.conditions);
        for condition in
            conditions.filter(|condition| is_wrong(&condition.type_, &condition.status))
        {
            let what = format!(
                "Policy {namespace}/{name}: {} is {}",
                condition.type_, condition.status
            );
            add(
                what,
                format!("{}: {}", condition.reason, condition.message),
                at.clone(),
            );
        }
    }
    for file in (state.skipped)().into_iter().take(LISTED) {
        add("A file is not read".to_owned(), file, None);
    }
    for bound in (state.bounds)() {
        // That old trips leave the page's memory is no problem.
        if bound.met > 0 && !bound.name.starts_with("history_") {
            let what = format!("The bound {} was met {} times", bound.name, bound.met);
            let why = format!("at {} {}: {}", bound.limit, bound.unit, bound.answer);
            add(what, why, None);
        }
    }
    found.truncate(4 * LISTED);
    found
}

/// Whether a condition says that something of ours does not work. That a circuit is Open is no such thing.
fn is_wrong(kind: &str, status: &str) -> bool {
    match kind {
        "Open" => false,
        "ClockSkew" | "Degraded" | "GateMisasked" | "RollbackBlocked" => status == "True",
        _ => status == "False",
    }
}
