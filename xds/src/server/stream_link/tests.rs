//! A client with several streams, which judges all that comes on them together.

mod client;

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::{
    Just, Strategy, TestCaseError, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use rstest::rstest;

use crate::delta;
use crate::protocol::SendPermit;
use crate::protocol::testing::layers::{Layers, change, layers, publish};
use crate::sotw;
use crate::store::Store;
use crate::type_url::TypeUrl;
use client::{Client, Held, Speaks, text};

/// Which layers come on which stream.
const APART: [&[&str]; 3] = [&["a"], &["b"], &["c"]];
const PAIRED: [&[&str]; 2] = [&["b"], &["a", "c"]];

fn published(store: &Store) -> Held {
    let snapshot = store.snapshot();
    let all = snapshot.contents(&TypeUrl::RUNTIME).by_name().clone();
    let all = all.iter();
    all.map(|(name, resource)| (name.to_string(), text(resource)))
        .collect()
}

/// What a client has that took all of `layers`.
fn after(layers: &Layers) -> Held {
    let store = Store::new();
    publish(&store, layers);
    published(&store)
}

fn only_the_bad_key<C: Speaks>(streams: &[&'static [&'static str]], bad: &'static str) {
    let store = Store::new();
    let mut client = Client::<C>::new(streams, true);
    publish(&store, &layers("1", None));
    client.rest(&store);
    let mut expected = layers("2", Some(bad));
    publish(&store, &expected);
    client.rest(&store);
    assert_eq!(client.isolated, [(bad.to_owned(), "x".to_owned())].into());
    expected.get_mut(bad).unwrap().insert("x", "1".to_owned());
    assert_eq!(client.held, after(&expected));
    assert!(client.unresolved.is_empty(), "{:?}", client.unresolved);

    // What is mended is taken, and nothing is asked of anybody after that.
    publish(&store, &layers("3", None));
    client.rest(&store);
    assert_eq!(client.held, published(&store));
    let permits = client.permits();
    assert!(permits.iter().all(|permit| *permit == SendPermit::Free));
}

#[rstest]
fn only_the_bad_key_of_one_stream_is_blamed(
    #[values(&APART[..], &PAIRED[..])] streams: &[&'static [&'static str]],
    #[values("a", "b", "c")] bad: &'static str,
) {
    only_the_bad_key::<delta::Subscription>(streams, bad);
    only_the_bad_key::<sotw::Subscription>(streams, bad);
}

fn inconclusive<C: Speaks>() {
    let store = Store::new();
    let mut client = Client::<C>::new(&APART, true);
    publish(&store, &layers("1", None));
    client.rest(&store);
    publish(&store, &layers("2", Some("b")));
    client.stir();
    for stream in [1, 0, 2] {
        client.send(stream, &store);
        client.judge(stream);
    }
    for stream in [1, 0, 2] {
        client.listen(stream);
    }
    let condemned = client.condemned.iter();
    let condemned = condemned.flat_map(|response| &response.resources);
    let condemned: Vec<&str> = condemned.map(|resource| &**resource.name()).collect();
    assert_eq!(condemned, ["b"]);
    assert_eq!(client.inconclusive(&store).len(), 2);
    client.rest(&store);
    assert!(client.inconclusive(&store).is_empty());
}

#[test]
fn what_is_refused_beside_a_bad_layer_is_in_doubt_until_it_is_taken() {
    inconclusive::<delta::Subscription>();
    inconclusive::<sotw::Subscription>();
}

fn mended<C: Speaks>(keeps: bool, bad: &'static str) {
    let store = Store::new();
    let mut client = Client::<C>::new(&APART, keeps).without_bisecting();
    publish(&store, &layers("1", None));
    client.rest(&store);
    let mut all = layers("2", Some(bad));
    publish(&store, &all);
    client.rest(&store);
    assert!(client.refusing(&store).iter().any(|name| **name == *bad));
    all.extend(layers("3", None).remove_entry(bad));
    publish(&store, &all);
    client.rest(&store);
    assert_eq!(client.held, published(&store));
    assert!(client.refusing(&store).is_empty());
}

#[rstest]
fn without_bisecting_the_innocent_are_taken_once_all_is_mended(
    #[values(true, false)] keeps: bool,
    #[values("a", "b", "c")] bad: &'static str,
) {
    mended::<delta::Subscription>(keeps, bad);
    mended::<sotw::Subscription>(keeps, bad);
}

/// What happens next, and on which stream.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The server sends what is due.
    Send(usize),
    /// The client reads a response.
    Judge(usize),
    /// The server reads an answer.
    Listen(usize),
    /// The stream breaks and is opened anew.
    Break(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3_usize).prop_map(Step::Send),
        8 => (0..3_usize).prop_map(Step::Judge),
        8 => (0..3_usize).prop_map(Step::Listen),
        1 => (0..3_usize).prop_map(Step::Break),
    ]
}

fn value() -> impl Strategy<Value = &'static str> {
    prop_oneof![3 => Just("good"), 1 => Just("bad")]
}

/// What changes: layers, and what their keys `x` and `y` are then; and what happens before the next change.
type Round = (Vec<(usize, &'static str, &'static str)>, Vec<Step>);

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let changes = vec((0..3_usize, value(), value()), 1..4);
    vec((changes, vec(step(), 0..30)), 1..10)
}

fn check<C: Speaks>(
    streams: &[&'static [&'static str]],
    (keeps, breaks): (bool, bool),
    rounds: Vec<Round>,
) -> Result<(), TestCaseError> {
    let store = Store::new();
    let mut client = Client::<C>::new(streams, keeps);
    let mut bad = BTreeSet::new();
    let mut all = layers("first", None);
    for (round, (changes, steps)) in rounds.into_iter().enumerate() {
        for (place, x, y) in changes {
            change(&mut all, &mut bad, (place, x, y), round);
        }
        publish(&store, &all);
        client.stir();
        for step in steps {
            match step {
                Step::Send(stream) => client.send(stream, &store),
                Step::Judge(stream) => client.judge(stream),
                Step::Listen(stream) => client.listen(stream),
                Step::Break(stream) if breaks => client.reopen(stream),
                Step::Break(_) => false,
            };
        }
    }
    client.rest(&store);
    if !breaks {
        prop_assert!(client.unresolved.is_empty(), "{:?}", client.unresolved);
    }
    prop_assert!(
        client.inconclusive(&store).is_empty(),
        "{:?}",
        client.inconclusive(&store)
    );
    for blamed in &client.isolated {
        // A search that ends with a stream leaves what is known by then: the layer is bad.
        let whole = |(layer, _): &(String, String)| breaks && *layer == blamed.0;
        let known = blamed.1 == "all of it" && bad.iter().any(whole);
        prop_assert!(known || bad.contains(blamed), "{:?} is good", blamed);
    }
    for (name, keys) in &all {
        let held = client.held.get(*name).cloned().unwrap_or_default();
        for (key, value) in keys {
            let good = value.contains("good") || value == "first";
            let has = held.contains(value.as_str());
            prop_assert_eq!(has, good, "{} of {}: {}", key, name, held);
        }
    }
    publish(&store, &layers("mended", None));
    client.rest(&store);
    prop_assert_eq!(client.held, published(&store));
    Ok(())
}

proptest! {
    #[test]
    fn whatever_happens_on_any_stream_no_good_key_is_blamed(
        in_delta in proptest::bool::ANY,
        streams in prop_oneof![Just(&APART[..]), Just(&PAIRED[..])],
        how in (proptest::bool::ANY, proptest::bool::ANY),
        rounds in rounds(),
    ) {
        if in_delta {
            check::<delta::Subscription>(streams, how, rounds)?;
        } else {
            check::<sotw::Subscription>(streams, how, rounds)?;
        }
    }
}
