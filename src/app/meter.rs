//! Metering: turns what the engine did into metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use fusegate_xds::{Store, TypeUrl};

use crate::app::notices::MOST_POLICIES;
use crate::breaker::time::Mono;
use crate::engine::output::Counts as Flushed;
use crate::engine::settings::{Exceeded, Refused};
use crate::runtime::metrics::{
    Bound, CodeLabel, FeedKind, FeedLabel, Metrics, Row, StateLabel, VerdictLabel,
};
use crate::serve::verdict::{self, Counts, GateState, Moment};
use crate::wire::event::{Event, Feed};
use crate::wire::view::View;

/// Counts an event by its feed, and records whether the feed is confirmed. [`view`] does that for the feeds of
/// objects, of which there is one per kind.
pub(super) fn event(metrics: &Metrics, event: &Event) {
    let label = FeedLabel {
        feed: feed_of(event),
    };
    metrics.events.get_or_create(&label).inc();
    let unconfirmed = match event {
        Event::Interrupted(Feed::Objects(_), _) | Event::Confirmed(Feed::Objects(_)) => return,
        Event::Interrupted(..) => 1,
        Event::Confirmed(_) => 0,
        _ => return,
    };
    metrics
        .feeds_unconfirmed
        .get_or_create(&label)
        .set(unconfirmed);
}

/// Counts what one flush did.
pub(super) fn counts(metrics: &Metrics, counts: &Flushed) {
    let verdicts = [
        ("Published", counts.published),
        ("Rejected", counts.rejected),
        ("Denied", counts.denied),
        ("Frozen", counts.frozen),
        ("Unpublished", counts.unpublished),
    ];
    for (verdict, count) in verdicts.into_iter().filter(|(_, count)| *count > 0) {
        metrics
            .map_operations
            .get_or_create(&VerdictLabel { verdict })
            .inc_by(count);
    }
    for code in &counts.problems {
        metrics.problems.get_or_create(&CodeLabel { code }).inc();
    }
    for refused in &counts.refused {
        let bound = bound_of(&refused.exceeded);
        metrics.bound(bound).inc_by(refused.count);
        let Refused {
            exceeded,
            limit,
            first,
            count,
        } = refused;
        tracing::warn!(limit, %first, count, "the limit of {exceeded} is reached; new ones are refused until others are removed");
    }
    for exceeded in &counts.freed {
        tracing::info!(
            "below the limit of {exceeded} again; refused ones are accepted with their next report"
        );
    }
    metrics
        .bound(Bound::LabelBytes)
        .inc_by(counts.labels_omitted);
    for moved in &counts.moves {
        metrics
            .transitions
            .get_or_create(&StateLabel {
                state: moved.name(),
            })
            .inc();
    }
}

/// Sets the gauges; called once per scrape, because it looks at every circuit.
pub(super) fn view(
    metrics: &Metrics,
    view: &View,
    moment: Moment,
    store: &Store,
    confirmed: &BTreeMap<FeedKind, Mono>,
) {
    for (feed, at) in confirmed {
        let age = i64::try_from(moment.now.since(*at).0 / 1_000).unwrap_or(i64::MAX);
        metrics
            .feed_age_seconds
            .get_or_create(&FeedLabel { feed: *feed })
            .set(age);
    }
    let snapshot = store.snapshot();
    let layers = snapshot.collection(&TypeUrl::RUNTIME);
    let layers = layers.map_or(0, |layers| layers.resources().len());
    metrics.layers.set(as_i64(layers));
    metrics.circuits.set(circuits(view, moment));
    metrics.objects.set(as_i64(view.objects));
    metrics.leading.set(i64::from(view.leads));
    let unconfirmed = FeedLabel {
        feed: FeedKind::Objects,
    };
    metrics
        .feeds_unconfirmed
        .get_or_create(&unconfirmed)
        .set(as_i64(view.unconfirmed.len()));
}

/// Each policy's circuits by what a gate takes them for. Those of too many policies are told together, under no name.
fn circuits(view: &View, moment: Moment) -> Vec<Row> {
    let row = |namespace: &Arc<str>, policy: &Arc<str>, state: GateState, count| Row {
        namespace: namespace.clone(),
        policy: policy.clone(),
        state: state.name(),
        count,
    };
    let mut policies = view.policies.iter();
    let named = policies.by_ref().take(MOST_POLICIES);
    let mut rows: Vec<Row> = Vec::new();
    for ((namespace, policy), entry) in named {
        let counts = verdict::count(view, moment, entry);
        let states = GateState::ALL.iter();
        rows.extend(states.map(|state| row(namespace, policy, *state, counts.of(*state))));
    }
    let rest: Vec<Counts> = policies
        .map(|(_, entry)| verdict::count(view, moment, entry))
        .collect();
    if !rest.is_empty() {
        let nobody = Arc::default();
        let states = GateState::ALL.iter();
        rows.extend(states.map(|state| {
            let count = rest.iter().map(|counts| counts.of(*state)).sum();
            row(&nobody, &nobody, *state, count)
        }));
    }
    rows
}

fn bound_of(exceeded: &Exceeded) -> Bound {
    match exceeded {
        Exceeded::Objects => Bound::Objects,
        Exceeded::Namespace(..) => Bound::ObjectsOfNamespace,
        Exceeded::Circuits => Bound::Circuits,
        Exceeded::CircuitsOfNamespace(_) => Bound::CircuitsOfNamespace,
        Exceeded::ObjectsInMemory | Exceeded::CircuitsInMemory => Bound::Memory,
    }
}

fn feed_of(event: &Event) -> FeedKind {
    match event {
        Event::Contract(_) => FeedKind::Contracts,
        Event::Policy(_) => FeedKind::Policies,
        Event::Override(_) => FeedKind::Overrides,
        Event::Crd(_) | Event::ApiResource(_) => FeedKind::Crds,
        Event::Revision(_) => FeedKind::Revisions,
        Event::Object(..) => FeedKind::Objects,
        Event::Listing(feed)
        | Event::Listed(feed)
        | Event::Confirmed(feed)
        | Event::Interrupted(feed, _) => kind_of(feed),
        Event::Unreadable(_)
        | Event::Leading(_)
        | Event::MemoryShort(_)
        | Event::Outcome(_)
        | Event::Rollback(_)
        | Event::Admission(_)
        | Event::Webhook(_)
        | Event::WebhookOutcome(_)
        | Event::Denied(_)
        | Event::Programmed(_)
        | Event::Answer(_)
        | Event::Misasked(_) => FeedKind::Other,
    }
}

pub(super) fn kind_of(feed: &Feed) -> FeedKind {
    match feed {
        Feed::Contracts => FeedKind::Contracts,
        Feed::Policies => FeedKind::Policies,
        Feed::Overrides => FeedKind::Overrides,
        Feed::Crds => FeedKind::Crds,
        Feed::Revisions => FeedKind::Revisions,
        Feed::Objects(_) => FeedKind::Objects,
    }
}

fn as_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::view::PolicyView;

    #[test]
    fn an_interrupted_feed_is_unconfirmed_until_its_confirmation() {
        let metrics = Metrics::new();
        let line = |value: u8| format!("fusegate_feeds_unconfirmed{{feed=\"Policies\"}} {value}");
        let has = |value| metrics.encode().lines().any(|each| each == line(value));
        event(&metrics, &Event::Interrupted(Feed::Policies, "gone".into()));
        assert!(has(1), "{}", metrics.encode());
        event(&metrics, &Event::Confirmed(Feed::Policies));
        assert!(has(0), "{}", metrics.encode());
    }

    #[test]
    fn circuits_of_more_policies_than_are_named_are_counted_together() {
        let mut view = View::default();
        for number in 0..MOST_POLICIES + 2 {
            let policy = PolicyView {
                uid: "p1".into(),
                ..PolicyView::default()
            };
            let key = (Arc::from("shop"), Arc::from(format!("p{number:04}")));
            view.policies.insert(key, Arc::new(policy));
        }
        let now = Mono(0);
        let rows = circuits(&view, Moment { now, beat: now });
        let states = GateState::ALL.len();
        assert_eq!(rows.len(), (MOST_POLICIES + 1) * states);
        let nobodys = rows.iter().filter(|row| row.policy.is_empty());
        assert_eq!(nobodys.count(), states);
    }
}
