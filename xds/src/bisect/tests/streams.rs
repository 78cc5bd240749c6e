//! Bisecting on streams of both variants.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::collection::{btree_set, vec};
use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::bound;
use super::client::{Client, Held, plan, text};
use crate::protocol::testing::{rejection, resource};
use crate::runtime::{self, RuntimeValue};
use crate::store::{Store, Update};
use crate::type_url::TypeUrl;

/// Refuses what says that it is bad.
pub(super) fn no_bad(held: &Held) -> Option<String> {
    let bad = held.values().any(|content| content.contains("bad"));
    bad.then(|| "something is not good".to_owned())
}

/// The same, and says which.
fn no_bad_and_why(held: &Held) -> Option<String> {
    let (name, _) = held.iter().find(|(_, content)| content.contains("bad"))?;
    Some(format!("resource {name} is not good"))
}

/// Refuses `left` and `right` together.
fn no_pair(held: &Held) -> Option<String> {
    let has = |content: &str| held.values().any(|held| held == content);
    (has("left") && has("right")).then(|| "these don't go together".to_owned())
}

fn name(number: usize) -> String {
    format!("name-{number:03}")
}

fn publish(store: &Store, type_url: &TypeUrl, all: impl IntoIterator<Item = (usize, String)>) {
    let put = |update: Update, (number, content): (usize, String)| {
        update.put(resource(type_url, &name(number), &content))
    };
    store.publish(all.into_iter().fold(Update::new(), put));
}

/// Publishes `what` under the first `count` names, each a little different.
fn publish_many(store: &Store, type_url: &TypeUrl, count: usize, what: &str) {
    let all = (0..count).map(|one| (one, format!("{what} {one}")));
    publish(store, type_url, all);
}

pub(super) fn published(store: &Store, type_url: &TypeUrl) -> Held {
    let snapshot = store.snapshot();
    let all = snapshot.collection(type_url).unwrap().by_name().clone();
    all.iter()
        .map(|(name, resource)| (name.to_string(), text(resource)))
        .collect()
}

fn types() -> impl Strategy<Value = TypeUrl> {
    prop_oneof![Just(TypeUrl::CLUSTER), Just(TypeUrl::ENDPOINT)]
}

proptest! {
    #[test]
    fn the_bad_are_isolated_the_good_delivered_and_others_left_alone(
        type_url in types(),
        (delta, piecemeal, hints) in (proptest::bool::ANY, proptest::bool::ANY, proptest::bool::ANY),
        known in 0..20_usize,
        count in 1..40_usize,
        bad in btree_set(0..40_usize, 1..4),
    ) {
        let bad: BTreeSet<usize> = bad.into_iter().map(|one| one % count).collect();
        let store = Store::new();
        let judge = if hints { no_bad_and_why } else { no_bad };
        let mut client = Client::new(type_url.clone(), delta, judge);
        client.piecemeal = piecemeal;
        let mut other = Client::new(type_url.clone(), delta, |_| None);
        publish(&store, &type_url, (0..known).map(|one| (one, "old".to_owned())));
        client.rest(&store);
        other.rest(&store);
        let responses = other.responses;
        let content = |one| if bad.contains(&one) { "bad" } else { "good" };
        publish(&store, &type_url, (0..count).map(|one| (one, content(one).to_owned())));
        let probes = client.rest(&store);
        prop_assert!(probes <= bound(count, bad.len()) + 1, "{} probes", probes);
        let found: BTreeSet<String> = client.isolated.keys().cloned().collect();
        prop_assert_eq!(found, bad.iter().map(|one| name(*one)).collect::<BTreeSet<_>>());
        let mut expected = published(&store, &type_url);
        for one in &bad {
            if *one < known {
                expected.insert(name(*one), "old".to_owned());
            } else {
                expected.remove(&name(*one));
            }
        }
        prop_assert_eq!(&client.held, &expected);
        prop_assert_eq!(other.rest(&store), 0);
        prop_assert_eq!(other.responses, responses + 1);

        // What is bad stays parked while something else changes, and goes once it is mended.
        publish(&store, &type_url, [(100, "good".to_owned())]);
        let before = client.responses;
        prop_assert_eq!(client.rest(&store), 0);
        prop_assert_eq!(client.responses, before + 1);
        publish(&store, &type_url, bad.iter().map(|one| (*one, "mended".to_owned())));
        prop_assert_eq!(client.rest(&store), 0);
        prop_assert_eq!(client.held, published(&store, &type_url));
    }

    #[test]
    fn whatever_changes_during_a_search_all_that_is_good_arrives(
        type_url in types(),
        delta in proptest::bool::ANY,
        count in 2..9_usize,
        changes in vec((0..20_usize, proptest::bool::ANY, 0..4_usize), 1..12),
    ) {
        let store = Store::new();
        let mut client = Client::new(type_url.clone(), delta, no_bad);
        publish_many(&store, &type_url, count, "bad");
        for (turn, (one, good, steps)) in changes.into_iter().enumerate() {
            (0..steps).for_each(|_| {
                client.step(&store);
            });
            let what = if good { "good" } else { "bad" };
            publish(&store, &type_url, [(one % count, format!("{what} {turn}"))]);
        }
        client.rest(&store);
        let now = published(&store, &type_url);
        for (name, content) in &now {
            let held = client.held.get(name);
            let bad = content.contains("bad");
            prop_assert!(bad || held == Some(content), "{}: {:?}", name, held);
            prop_assert!(held.is_none_or(|held| held.contains("good")), "{:?}", held);
        }
        prop_assert!(client.unresolved.is_empty());
        publish_many(&store, &type_url, count, "good");
        client.rest(&store);
        prop_assert_eq!(client.held, published(&store, &type_url));
    }
}

#[test]
fn of_two_bad_together_one_returns_when_the_other_changes() {
    for (type_url, delta) in [
        (TypeUrl::CLUSTER, true),
        (TypeUrl::CLUSTER, false),
        (TypeUrl::ENDPOINT, false),
    ] {
        let store = Store::new();
        let mut client = Client::new(type_url.clone(), delta, no_pair);
        publish_many(&store, &type_url, 8, "old");
        client.rest(&store);
        let pair = [(2, "left"), (3, "new"), (5, "right")];
        let pair = pair.map(|(one, content)| (one, content.to_owned()));
        publish(&store, &type_url, pair);
        client.rest(&store);
        assert_eq!(client.isolated.keys().collect::<Vec<_>>(), ["name-005"]);
        assert_eq!(client.held["name-002"], "left");
        assert_eq!(client.held["name-005"], "old 5");
        publish(&store, &type_url, [(2, "other".to_owned())]);
        client.rest(&store);
        assert_eq!(client.held, published(&store, &type_url));
    }
}

#[test]
fn at_the_bound_what_is_open_stays_parked_together() {
    for delta in [true, false] {
        let store = Store::new();
        let mut client = Client::new(TypeUrl::CLUSTER, delta, no_bad);
        let mut few = plan();
        few.offers = 3;
        client.plan(few);
        publish_many(&store, &TypeUrl::CLUSTER, 64, "bad");
        assert_eq!(client.rest(&store), 3);
        assert!(!client.unresolved.is_empty());
        publish(&store, &TypeUrl::CLUSTER, [(100, "good".to_owned())]);
        assert_eq!(client.rest(&store), 0);
        assert_eq!(client.held["name-100"], "good");
        publish_many(&store, &TypeUrl::CLUSTER, 64, "good");
        client.rest(&store);
        assert_eq!(client.held, published(&store, &TypeUrl::CLUSTER));
    }
}

#[test]
fn a_search_that_takes_too_long_is_given_up() {
    let store = Store::new();
    let mut client = Client::new(TypeUrl::CLUSTER, true, no_bad);
    publish_many(&store, &TypeUrl::CLUSTER, 8, "bad");
    for _ in 0..2 {
        let response = client.read(&store).unwrap();
        client.send(&response.nonce.to_string(), Some(rejection()));
    }
    client.now = plan().time + Duration::from_secs(1);
    assert_eq!(client.rest(&store), 0);
    assert!(!client.unresolved.is_empty());
}

/// The layer `shop` with these texts.
fn layer(keys: &[(&str, &str)]) -> Update {
    let text = |text: &str| RuntimeValue::Text(text.to_owned());
    let keys = keys.iter().map(|(key, value)| (*key, text(value)));
    Update::new().put(runtime::layer("shop", keys))
}

/// What a client has that took all of `update`.
fn after(update: Update) -> Held {
    let store = Store::new();
    store.publish(update);
    published(&store, &TypeUrl::RUNTIME)
}

#[test]
fn a_bad_part_is_isolated_and_the_others_go_on_without_it() {
    for delta in [true, false] {
        let store = Store::new();
        let mut client = Client::new(TypeUrl::RUNTIME, delta, no_bad);
        store.publish(layer(&[("a", "1"), ("b", "1"), ("c", "1")]));
        client.rest(&store);
        store.publish(layer(&[("a", "2"), ("b", "bad"), ("d", "2")]));
        let probes = client.rest(&store);
        // What it refuses is replaced each time, for it may keep it.
        assert!((1..=2 * bound(3, 1) + 1).contains(&probes), "{probes}");
        assert_eq!(client.isolated["shop"], ["b"]);
        let expected = layer(&[("a", "2"), ("b", "1"), ("d", "2")]);
        assert_eq!(client.held, after(expected));

        // As long as the bad part stays as it is, all else goes at once, and every version is told of.
        client.isolated.clear();
        store.publish(layer(&[("a", "3"), ("b", "bad"), ("e", "1")]));
        assert_eq!(client.rest(&store), 0);
        assert_eq!(client.isolated["shop"], ["b"]);
        assert_eq!(client.held, after(layer(&[("a", "3"), ("e", "1")])));
        store.publish(layer(&[("a", "3"), ("b", "good"), ("e", "1")]));
        assert_eq!(client.rest(&store), 0);
        assert_eq!(client.held, published(&store, &TypeUrl::RUNTIME));
    }
}

#[test]
fn a_part_that_is_bad_from_the_first_is_isolated_too() {
    let store = Store::new();
    let mut client = Client::new(TypeUrl::RUNTIME, true, no_bad);
    store.publish(layer(&[("b", "bad")]));
    client.rest(&store);
    assert_eq!(client.isolated["shop"], ["b"]);
    assert_eq!(client.held, after(layer(&[])));
}

#[test]
fn what_was_refused_many_times_is_searched_once_all_is_answered() {
    let store = Store::new();
    let mut client = Client::new(TypeUrl::RUNTIME, true, no_bad);
    store.publish(layer(&[("a", "0"), ("b", "0")]));
    let first = client.read(&store).unwrap();
    for round in 1..=100 {
        let round = round.to_string();
        store.publish(layer(&[("a", &round), ("b", "bad"), ("c", &round)]));
        let response = client.read(&store).unwrap();
        assert!(!response.probe);
        client.send(&response.nonce.to_string(), Some(rejection()));
        assert!(client.step(&store), "what it may keep is replaced");
        assert!(client.read(&store).is_none());
    }
    client.send(&first.nonce.to_string(), None);
    client.rest(&store);
    assert_eq!(client.isolated["shop"], ["b"]);
    let expected = layer(&[("a", "100"), ("b", "0"), ("c", "100")]);
    assert_eq!(client.held, after(expected));
}

#[test]
fn what_is_hidden_stays_hidden_when_published_as_it_was() {
    let (type_url, store) = (TypeUrl::CLUSTER, Store::new());
    let mut client = Client::new(type_url.clone(), false, no_bad);
    publish_many(&store, &type_url, 4, "bad");
    client.step(&store);
    let changes = [(2, "bad, too"), (3, "bad, too"), (2, "bad 2")];
    for (one, content) in changes {
        publish(&store, &type_url, [(one, content.to_owned())]);
    }
    client.step(&store);
    publish(&store, &type_url, [(0, "good".to_owned())]);
    client.rest(&store);
    assert_eq!(
        client.held.get("name-000").map(String::as_str),
        Some("good")
    );
    assert_eq!(client.isolated.len(), 3);
}
