//! What a notice becomes: a count, a word to the engine, and an Event, once for each change of answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::{GateReporter, MOST_POLICIES, event, regarding};
use crate::breaker::circuit::TripId;
use crate::breaker::time::{Mono, Now, Wall};
use crate::effects::dispatch::{Backend, GateNotes};
use crate::runtime::clock::Clock;
use crate::runtime::metrics::Metrics;
use crate::serve::counters::Form;
use crate::serve::notice::ledger::Ledger;
use crate::serve::notice::{Answer, Asker, Notice};
use crate::source::dir::layout::Layout;
use crate::source::queue::{self, Limits, Receiver};
use crate::wire::event::{Event, Misasked};
use crate::wire::view::{PolicyView, View};

fn notice(policy: &str, answer: Answer) -> Notice {
    Notice {
        form: Form::Flagger,
        hook: "confirm-rollout",
        asker: Some(Asker::canary("shop", "front")),
        namespace: "shop".into(),
        policy: Some(policy.into()),
        answer,
        trip: None,
        reason: "because".into(),
    }
}

/// A reporter that knows policies of these names, and what the engine is told by it.
fn reporter(policies: &[String]) -> (GateReporter, Receiver) {
    let policy = Arc::new(PolicyView {
        uid: "p1".into(),
        ..PolicyView::default()
    });
    let mut view = View::default();
    for name in policies {
        let key = (Arc::from("shop"), Arc::from(name.as_str()));
        view.policies.insert(key, Arc::clone(&policy));
    }
    let metrics = Metrics::new();
    let limits = Limits {
        events: 16,
        bytes: 1 << 20,
    };
    let (engine, told) = queue::open(limits, metrics.clone());
    let nowhere = Backend::Dir(Layout::new("/nonexistent"));
    let reporter = GateReporter {
        clock: Clock::start(),
        notes: GateNotes::start(nowhere, Clock::start(), metrics.clone()),
        metrics,
        view: Arc::new(ArcSwap::from_pointee(view)),
        engine,
        ledger: Ledger::default(),
        counted: BTreeSet::new(),
    };
    (reporter, told)
}

fn calls(reporter: &GateReporter, policy: &str, answer: &str) -> Option<u64> {
    let namespace = if policy.is_empty() { "" } else { "shop" };
    let series = format!(
        "fusegate_gate_calls_total{{namespace=\"{namespace}\",policy=\"{policy}\",answer=\"{answer}\"}} "
    );
    let text = reporter.metrics.encode();
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(&series))?;
    value.parse().ok()
}

#[tokio::test]
async fn answers_are_counted_by_policy_and_those_about_no_known_one_together() {
    let (mut reporter, _told) = reporter(&["checkout".into()]);
    for answer in [Answer::Passes, Answer::Refuses, Answer::Refuses] {
        reporter.take(notice("checkout", answer)).await;
    }
    reporter.take(notice("chekcout", Answer::Mistake)).await;
    assert_eq!(calls(&reporter, "checkout", "passes"), Some(1));
    assert_eq!(calls(&reporter, "checkout", "refuses"), Some(2));
    assert_eq!(calls(&reporter, "chekcout", "mistake"), None);
    assert_eq!(calls(&reporter, "", "mistake"), Some(1));
}

#[tokio::test]
async fn past_the_bound_of_policies_the_others_are_counted_together() {
    let names: Vec<String> = (0..=MOST_POLICIES).map(|n| format!("p{n}")).collect();
    let (mut reporter, _told) = reporter(&names);
    for name in &names {
        reporter.take(notice(name, Answer::Passes)).await;
    }
    assert_eq!(calls(&reporter, "p0", "passes"), Some(1));
    let last = format!("p{MOST_POLICIES}");
    assert_eq!(calls(&reporter, &last, "passes"), None);
    assert_eq!(calls(&reporter, "", "passes"), Some(1));
    let met = "fusegate_bounds_met_total{bound=\"metric_policies\"} 1";
    assert!(reporter.metrics.encode().contains(met));
}

#[tokio::test]
async fn the_engine_is_told_of_a_mistake_once_and_of_its_end() {
    let (mut reporter, mut told) = reporter(&["checkout".into()]);
    for answer in [Answer::Mistake, Answer::Mistake, Answer::Refuses] {
        reporter.take(notice("checkout", answer)).await;
    }
    reporter.take(notice("chekcout", Answer::Mistake)).await;
    drop(reporter);
    let mut problems = Vec::new();
    while let Some(event) = told.recv().await {
        let Event::Misasked(Misasked {
            caller, problem, ..
        }) = event
        else {
            panic!("{event:?}");
        };
        assert_eq!(&*caller, "Canary shop/front at confirm-rollout");
        problems.push(problem);
    }
    assert_eq!(problems, [Some("because".into()), None]);
}

#[test]
fn events_of_one_trip_and_caller_are_one_and_the_canary_is_named() {
    let now = |wall| Now {
        mono: Mono(0),
        wall: Wall(wall),
    };
    let about = || regarding("flagger.app/v1beta1", "Canary", ("shop", "front"), "");
    let mut refused = notice("checkout", Answer::Refuses);
    refused.trip = Some(TripId(0xabc));
    let first = event(now(0), &refused, about());
    let again = event(now(7_200_000), &refused, about());
    assert_eq!(first.once, again.once);
    assert_eq!(
        &*first.note,
        "Canary shop/front at confirm-rollout: because"
    );
    refused.trip = Some(TripId(0xdef));
    assert_ne!(event(now(0), &refused, about()).once, first.once);
}
