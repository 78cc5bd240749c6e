//! The problems: what is wrong with the installation itself, and where to look.

use serde::Serialize;

use crate::breaker::time::Mono;
use crate::runtime::memory::pressure::{Level, Memory};
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
    found.extend(of_memory(*state.memory.borrow()));
    of_engine(state, view, now, &mut found);
    of_contracts(view, &mut found);
    of_policies(view, &mut found);
    for file in (state.skipped)().into_iter().take(LISTED) {
        found.push(Problem::new("A file is not read".to_owned(), file));
    }
    // That old trips leave the page's memory is no problem.
    let bounds = (state.bounds)().into_iter();
    for bound in bounds.filter(|bound| bound.met > 0 && !bound.name.starts_with("history_")) {
        let what = format!("The bound {} was met {} times", bound.name, bound.met);
        let why = format!("at {} {}: {}", bound.limit, bound.unit, bound.answer);
        found.push(Problem::new(what, why));
    }
    found.truncate(4 * LISTED);
    found
}

fn of_memory(memory: Memory) -> Option<Problem> {
    let Memory { level, used, limit } = memory;
    let (what, follows) = match level {
        Level::Enough => return None,
        Level::Near => ("Memory is near its limit", "this page has no history"),
        Level::Short => (
            "Memory is short",
            "new objects and circuits are refused, and this page has no history",
        ),
    };
    let why = format!(
        "{} of {} MiB are used, and {follows}; raise the memory limit, or look what takes so much",
        used >> 20,
        limit >> 20
    );
    Some(Problem::new(what.to_owned(), why))
}

/// Of the engine, and of what it is fed by.
fn of_engine(state: &ServeState, view: &View, now: Mono, found: &mut Vec<Problem>) {
    let silent = now.since(state.heartbeat.last());
    if silent >= STALLED_AFTER {
        let why = format!(
            "it has not come round for {} s: what this page shows is as old, and gates answer Unknown; its last log lines say where it stands",
            wire::seconds(silent)
        );
        found.push(Problem::new("The engine stands still".to_owned(), why));
    }
    if !view.synced {
        let why = "contracts, policies and overrides have not all been listed; if this lasts, check that the source can be read";
        found.push(Problem::new("Not synced yet".to_owned(), why.to_owned()));
    }
    for (kind, since) in view.unconfirmed.iter().take(LISTED) {
        let why = format!(
            "its watch has not been confirmed for {} s: nothing of it is resampled, and past 30 s its gates answer Unknown; check the API server and the rights to watch it",
            wire::seconds(now.since(*since))
        );
        found.push(Problem::new(format!("{kind} is not watched"), why));
    }
}

fn of_contracts(view: &View, found: &mut Vec<Problem>) {
    for (name, contract) in &view.contracts {
        let conditions = contract.status.iter().flat_map(|status| &status.conditions);
        let wrong = conditions.filter(|each| is_wrong(&each.type_, &each.status, &each.reason));
        found.extend(wrong.map(|each| Problem {
            what: format!("Contract {name}: {} is {}", each.type_, each.status),
            why: format!("{}: {}", each.reason, each.message),
            at: Some(format!("contracts/{name}")),
        }));
    }
}

fn of_policies(view: &View, found: &mut Vec<Problem>) {
    for ((namespace, name), policy) in &view.policies {
        let conditions = policy.status.iter().flat_map(|status| &status.conditions);
        let wrong = conditions.filter(|each| is_wrong(&each.type_, &each.status, &each.reason));
        found.extend(wrong.map(|each| Problem {
            what: format!(
                "Policy {namespace}/{name}: {} is {}",
                each.type_, each.status
            ),
            why: format!("{}: {}", each.reason, each.message),
            at: Some(format!("policies/{namespace}/{name}")),
        }));
    }
}

impl Problem {
    fn new(what: String, why: String) -> Self {
        Self {
            what,
            why,
            at: None,
        }
    }
}

/// Whether a condition says that something of ours does not work. That a circuit is Open is no such thing, nor that
/// proxies have yet to answer, nor that a kind has no schema that could be rolled back.
fn is_wrong(kind: &str, status: &str, reason: &str) -> bool {
    match kind {
        "Open" => false,
        "ClockSkew" | "Degraded" | "GateMisasked" | "RollbackBlocked" => {
            status == "True" && reason != "NoSchema"
        }
        _ => status == "False" && reason != "Pending",
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Level::Enough, None)]
    #[case(Level::Near, Some("Memory is near its limit"))]
    #[case(Level::Short, Some("Memory is short"))]
    fn little_memory_is_a_problem(#[case] level: Level, #[case] expected: Option<&str>) {
        let memory = Memory {
            level,
            used: 120 << 20,
            limit: 128 << 20,
        };
        let problem = of_memory(memory);
        assert_eq!(problem.as_ref().map(|problem| &*problem.what), expected);
        if let Some(Problem { why, .. }) = problem {
            assert!(why.starts_with("120 of 128 MiB are used, and "), "{why}");
        }
    }

    #[rstest]
    #[case("Accepted", "True", "Accepted", false)]
    #[case("Accepted", "False", "InvalidSpec", true)]
    #[case("Open", "True", "Open", false)]
    #[case("Degraded", "False", "Healthy", false)]
    #[case("Degraded", "True", "PartiallyApplied", true)]
    #[case("Programmed", "False", "Pending", false)]
    #[case("Programmed", "False", "Rejected", true)]
    #[case("RollbackBlocked", "True", "NoSchema", false)]
    #[case("RollbackBlocked", "True", "WouldLoseData", true)]
    fn a_condition_is_wrong_by_its_kind(
        #[case] kind: &str,
        #[case] status: &str,
        #[case] reason: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(is_wrong(kind, status, reason), expected);
    }
}
