//! Bisecting at a client that keeps what it refused, and refuses all else of the type for it.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};
use rstest::rstest;

use super::client::{Client, Held, Keeps, text};
use super::streams::{no_bad, published};
use crate::bisect::Bisect;
use crate::protocol::testing::layers::{LAYERS, Layers, change, layer, layers, publish};
use crate::runtime;
use crate::store::{Store, Update};
use crate::type_url::TypeUrl;

/// Says which key is bad, and as Envoy not in which layer.
fn no_bad_key(held: &Held) -> Option<String> {
    let bad = no_bad(held)?;
    Some(format!("{bad}: invalid runtime entry value for x"))
}

/// What a client has that took all of `layers`.
fn after(layers: &Layers) -> Held {
    let store = Store::new();
    publish(&store, layers);
    published(&store, &TypeUrl::RUNTIME)
}

fn client(delta: bool, keeps: Keeps, words: bool) -> Client {
    let judge = if words { no_bad_key } else { no_bad };
    let mut client = Client::new(TypeUrl::RUNTIME, delta, judge);
    client.keeps = keeps;
    client
}

#[rstest]
fn only_the_bad_key_is_isolated_and_the_other_layers_are_delivered_whole(
    #[values(true, false)] delta: bool,
    #[values(true, false)] together: bool,
    #[values(true, false)] words: bool,
    #[values(Keeps::Nothing, Keeps::Everything, Keeps::OneByOne)] keeps: Keeps,
    #[values("a", "b", "c")] bad: &'static str,
    #[values(true, false)] known: bool,
) {
    let store = Store::new();
    let mut client = client(delta, keeps, words);
    if known {
        publish(&store, &layers("1", None));
        client.rest(&store);
    }
    let all = layers("2", Some(bad));
    if together {
        publish(&store, &all);
    } else {
        let (bad, others): (Layers, Layers) =
            all.clone().into_iter().partition(|(name, _)| *name == bad);
        publish(&store, &bad);
        client.step(&store);
        publish(&store, &others);
    }
    client.rest(&store);
    assert_eq!(
        client.isolated,
        [(bad.to_owned(), vec!["x".to_owned()])].into()
    );
    assert!(client.unresolved.is_empty(), "{:?}", client.unresolved);
    let mut expected = all;
    let keys = expected.get_mut(bad).unwrap();
    if known {
        keys.insert("x", "1".to_owned());
    } else {
        keys.remove("x");
    }
    assert_eq!(client.held, after(&expected));

    // What else changes goes at once, and what is mended, too.
    publish(&store, &layers("3", Some(bad)));
    assert_eq!(client.rest(&store), 0);
    publish(&store, &layers("4", None));
    assert_eq!(client.rest(&store), 0);
    assert_eq!(client.held, published(&store, &TypeUrl::RUNTIME));
}

#[test]
fn what_is_sent_before_the_refusal_is_heard_of_is_not_blamed() {
    let store = Store::new();
    let mut client = client(true, Keeps::OneByOne, false);
    publish(&store, &layers("1", None));
    client.rest(&store);
    let all = layers("2", Some("a"));
    let responses = all.iter().map(|layer| {
        store.publish(Update::new().put(self::layer(layer)));
        client.read(&store).unwrap()
    });
    let responses: Vec<_> = responses.collect();
    for response in responses {
        client.answer(&response);
    }
    client.rest(&store);
    assert_eq!(
        client.isolated,
        [("a".to_owned(), vec!["x".to_owned()])].into()
    );
    assert_eq!(client.held["b"], after(&all)["b"]);
    assert_eq!(client.held["c"], after(&all)["c"]);
}

#[test]
fn what_replaces_the_bad_one_behind_another_is_refused_unread() {
    let store = Store::new();
    let mut client = client(true, Keeps::OneByOne, false);
    publish(&store, &layers("1", None));
    client.rest(&store);
    let mut bad = layers("2", Some("b"));
    bad.remove("a");
    publish(&store, &bad);
    let first = client.read(&store).unwrap();
    publish(&store, &layers("3", None));
    let second = client.read(&store).unwrap();
    client.answer(&first);
    client.answer(&second);
    assert_eq!(client.condemned, [first]);
    client.rest(&store);
    assert_eq!(client.held, published(&store, &TypeUrl::RUNTIME));
}

#[rstest]
fn a_client_that_comes_back_with_what_it_refused_is_mended(
    #[values(true, false)] delta: bool,
    #[values(Keeps::Everything, Keeps::OneByOne)] keeps: Keeps,
    #[values("a", "b", "c")] bad: &'static str,
) {
    let store = Store::new();
    let mut client = client(delta, keeps, true);
    publish(&store, &layers("1", None));
    client.rest(&store);
    publish(&store, &layers("2", Some(bad)));
    client.step(&store);
    client.reconnect();
    client.rest(&store);
    assert_eq!(
        client.isolated,
        [(bad.to_owned(), vec!["x".to_owned()])].into()
    );
    for other in LAYERS.into_iter().filter(|name| *name != bad) {
        assert_eq!(
            client.held[other],
            published(&store, &TypeUrl::RUNTIME)[other]
        );
    }
}

#[rstest]
fn who_refuses_what_it_took_gets_all_once_it_takes_something(#[values(true, false)] delta: bool) {
    let store = Store::new();
    let mut client = client(delta, Keeps::OneByOne, false);
    publish(&store, &layers("1", None));
    client.rest(&store);
    client.spoil(true);
    publish(&store, &layers("2", None));
    client.rest(&store);
    assert!(client.isolated.is_empty(), "{:?}", client.isolated);
    assert_eq!(client.unresolved.len(), LAYERS.len());
    client.spoil(false);
    store.publish(Update::new().put(runtime::layer("d", [])));
    client.rest(&store);
    assert_eq!(client.held, published(&store, &TypeUrl::RUNTIME));
}

#[rstest]
fn without_bisecting_a_mended_layer_arrives_and_so_do_the_others(
    #[values(true, false)] delta: bool,
    #[values(Keeps::Nothing, Keeps::Everything, Keeps::OneByOne)] keeps: Keeps,
    #[values(true, false)] together: bool,
) {
    let store = Store::new();
    let mut client = client(delta, keeps, false);
    client.plan(Bisect::nothing());
    publish(&store, &layers("1", None));
    client.rest(&store);
    let bad = layers("2", Some("c"));
    if together {
        publish(&store, &bad);
        client.rest(&store);
    } else {
        for layer in bad.iter().rev() {
            store.publish(Update::new().put(self::layer(layer)));
            client.rest(&store);
        }
    }
    let mut mended = bad;
    mended.insert("c", layers("3", None).remove("c").unwrap());
    publish(&store, &mended);
    client.rest(&store);
    assert_eq!(client.held, published(&store, &TypeUrl::RUNTIME));
}

fn value() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just("good"), 1 => Just("bad")]
}

proptest! {
    #[test]
    fn whatever_is_published_no_good_key_is_blamed(
        (delta, words) in (proptest::bool::ANY, proptest::bool::ANY),
        keeps in prop_oneof![Just(Keeps::Nothing), Just(Keeps::Everything), Just(Keeps::OneByOne)],
        publications in vec((vec((0..3_usize, value(), value()), 1..4), 0..6_usize, proptest::bool::ANY), 1..10),
    ) {
        let store = Store::new();
        let mut client = client(delta, keeps, words);
        let mut bad = BTreeSet::new();
        let mut all = layers("first", None);
        let mut unanswered = Vec::new();
        for (round, (changes, steps, late)) in publications.into_iter().enumerate() {
            for (place, x, y) in changes {
                change(&mut all, &mut bad, (place, x, y), round);
            }
            publish(&store, &all);
            if late {
                unanswered.extend(client.read(&store));
                continue;
            }
            unanswered.drain(..).for_each(|response| client.answer(&response));
            (0..steps).for_each(|_| {
                client.step(&store);
            });
        }
        unanswered.drain(..).for_each(|response| client.answer(&response));
        client.rest(&store);
        prop_assert!(client.unresolved.is_empty(), "{:?}", client.unresolved);
        prop_assert!(client.inconclusive(&store).is_empty(), "{:?}", client.inconclusive(&store));
        for response in &client.condemned {
            let is_bad = response.resources.iter().any(|resource| text(resource).contains("bad"));
            prop_assert!(is_bad, "good, and yet the NACK counts: {response:?}");
        }
        for (name, parts) in &client.isolated {
            for part in parts {
                prop_assert!(bad.contains(&(name.clone(), part.clone())), "{} of {} is good", part, name);
            }
            prop_assert!(!parts.is_empty(), "all of {} is blamed", name);
        }
        for (name, keys) in &all {
            let held = client.held.get(*name).cloned().unwrap_or_default();
            for (key, value) in keys {
                let has = held.contains(value.as_str());
                prop_assert_eq!(has, value.contains("good") || value == "first", "{} of {}: {}", key, name, held);
            }
        }
        publish(&store, &layers("mended", None));
        client.rest(&store);
        prop_assert_eq!(client.held, published(&store, &TypeUrl::RUNTIME));
    }
}
