//! What publishing does, and whom it wakes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake as TaskWake;
use std::thread;

use futures::FutureExt as _;
use futures::task::AtomicWaker;

use super::{Store, Update, Wake};
use crate::consistency::Inconsistency;
use crate::protocol::testing::{publish, resource};
use crate::resource::Resource;
use crate::snapshot::{Absent, InterestChange, Topic};
use crate::type_url::TypeUrl;
use crate::version::Version;

fn put(name: &str, content: &str) -> Resource {
    resource(&TypeUrl::ENDPOINT, name, content)
}

fn version(store: &Store) -> Version {
    let snapshot = store.snapshot();
    snapshot
        .collection(&TypeUrl::ENDPOINT)
        .map(crate::snapshot::Collection::version)
        .unwrap_or_default()
}

#[test]
fn publishing_what_is_published_changes_nothing() {
    let store = Store::new();
    let first = store.publish(Update::new().put(put("a", "1")).put(put("b", "1")));
    assert_eq!((first.sequence, first.changed), (1, 2));
    let again = store.publish(Update::new().put(put("b", "1")).put(put("a", "1")));
    assert_eq!((again.sequence, again.changed), (1, 0));
    let there_and_back = Update::new()
        .put(put("a", "2"))
        .remove(TypeUrl::ENDPOINT, "a")
        .put(put("a", "1"));
    assert_eq!(store.publish(there_and_back).changed, 0);
    assert_eq!(store.snapshot().sequence(), 1);
}

#[test]
fn a_replacement_takes_out_what_it_does_not_name_of_all_types() {
    let store = Store::new();
    publish(&store, &TypeUrl::ENDPOINT, "a=1 b=1");
    publish(&store, &TypeUrl::CLUSTER, "x=1 y=1");
    let own = TypeUrl::new("type.example.com/example.Own");
    let all = [put("a", "1"), put("b", "2"), resource(&own, "new", "1")];
    let replaced = store.publish(store.replacement(all.clone()));
    assert_eq!(replaced.changed, 4, "b, x, y and what is new");
    assert_eq!(store.publish(store.replacement(all)).changed, 0);
    let twice = ["1", "2"].map(|content| resource(&own, "new", content));
    let told = store.check(&store.replacement(twice));
    assert!(
        matches!(told[..], [Inconsistency::Twice { .. }]),
        "{told:?}"
    );
    assert_eq!(store.publish(store.replacement([])).changed, 3);
}

#[test]
fn replacing_a_type_touches_only_what_differs() {
    let store = Store::new();
    publish(&store, &TypeUrl::ENDPOINT, "a=1 b=1 c=1");
    publish(&store, &TypeUrl::CLUSTER, "x=1");
    let replaced = store.publish(Update::new().replace(
        TypeUrl::ENDPOINT,
        [put("a", "1"), put("b", "2"), put("d", "1")],
    ));
    assert_eq!(replaced.changed, 3);
    let snapshot = store.snapshot();
    let names: Vec<&str> = snapshot
        .collection(&TypeUrl::ENDPOINT)
        .unwrap()
        .by_name()
        .keys()
        .map(AsRef::as_ref)
        .collect();
    assert_eq!(names, ["a", "b", "d"]);
    assert!(
        snapshot
            .collection(&TypeUrl::CLUSTER)
            .unwrap()
            .published("x")
            .is_some()
    );
}

#[test]
fn a_snapshot_in_hand_does_not_change() {
    let store = Store::new();
    publish(&store, &TypeUrl::ENDPOINT, "a=1");
    let before = store.snapshot();
    publish(&store, &TypeUrl::ENDPOINT, "a=2 b=1");
    let collection = before.collection(&TypeUrl::ENDPOINT).unwrap();
    assert_eq!(collection.published("a"), Some(&put("a", "1")));
    assert_eq!(collection.published("b"), None);
}

#[test]
fn an_alias_leads_to_the_same_resource_whatever_was_published_first() {
    let claim = |name: &str| put(name, "1").with_aliases(["nick"]);
    let leads_to = |store: &Store| {
        let snapshot = store.snapshot();
        let found = snapshot.contents(&TypeUrl::ENDPOINT).published("nick")?;
        Some(found.name().to_string())
    };
    for order in [["a", "b", "c"], ["c", "a", "b"], ["b", "c", "a"]] {
        let store = Store::new();
        let told = order.map(|name| store.publish(Update::new().put(claim(name))).contested);
        assert_eq!(told[0], [], "the first has it to itself");
        let last = &told[2][0];
        assert_eq!((&*last.alias, &*last.leads_to), ("nick", "c"));
        let outdone: Vec<&str> = last.outdone.iter().map(|name| &**name).collect();
        assert_eq!(outdone, ["a", "b"]);
        for (gone, then) in [("c", Some("b")), ("a", Some("b")), ("b", None)] {
            store.publish(Update::new().remove(TypeUrl::ENDPOINT, gone));
            assert_eq!(leads_to(&store).as_deref(), then);
        }
    }
}

#[test]
fn an_alias_that_is_the_name_of_a_resource_leads_there() {
    let store = Store::new();
    store.publish(Update::new().put(put("z", "1").with_aliases(["nick"])));
    let told = store.publish(Update::new().put(put("nick", "1"))).contested;
    assert_eq!((&*told[0].leads_to, &*told[0].outdone[0]), ("nick", "z"));
}

#[test]
fn an_alias_leads_to_its_resource_until_another_takes_it() {
    let store = Store::new();
    store.publish(Update::new().put(put("a", "1").with_aliases(["nick"])));
    let published = |name: &str| -> Option<String> {
        let snapshot = store.snapshot();
        let found = snapshot.collection(&TypeUrl::ENDPOINT)?.published(name)?;
        Some(found.name().to_string())
    };
    assert_eq!(published("nick").as_deref(), Some("a"));
    store.publish(Update::new().put(put("b", "1").with_aliases(["nick"])));
    assert_eq!(published("nick").as_deref(), Some("b"));
    store.publish(Update::new().remove(TypeUrl::ENDPOINT, "a"));
    assert_eq!(published("nick").as_deref(), Some("b"));
    store.publish(Update::new().remove(TypeUrl::ENDPOINT, "b"));
    assert_eq!(published("nick"), None);
}

#[test]
fn writers_that_race_lose_nothing() {
    let store = Store::new();
    thread::scope(|scope| {
        for writer in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..100 {
                    store.publish(Update::new().put(put(&format!("{writer}-{round}"), "1")));
                }
            });
        }
    });
    let snapshot = store.snapshot();
    assert_eq!(snapshot.sequence(), 400);
    assert_eq!(
        snapshot
            .collection(&TypeUrl::ENDPOINT)
            .unwrap()
            .resources()
            .len(),
        400
    );
    let sequentially = Store::new();
    let all =
        (0..4).flat_map(|writer| (0..100).map(move |round| put(&format!("{writer}-{round}"), "1")));
    sequentially.publish(Update::new().replace(TypeUrl::ENDPOINT, all));
    assert_eq!(version(&store), version(&sequentially));
}

/// Counts how often it is woken.
#[derive(Default)]
struct Counter(AtomicUsize);

impl TaskWake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A stream that is interested in `topics`, and how often it was woken.
fn stream(store: &Store, number: u64, topics: &[Topic]) -> impl Fn() -> usize + use<> {
    let (wake, counter) = (
        Arc::new(Wake {
            stream: number,
            waker: AtomicWaker::new(),
        }),
        Arc::new(Counter::default()),
    );
    let joins: Vec<InterestChange> = topics.iter().cloned().map(InterestChange::Join).collect();
    store.interest().note(&wake, &joins);
    let waker = Arc::clone(&counter).into();
    wake.waker.register(&waker);
    move || {
        wake.waker.register(&waker);
        counter.0.swap(0, Ordering::Relaxed)
    }
}

#[test]
fn only_those_concerned_are_woken() {
    let store = Store::new();
    let name = |name: &str| Topic::Name(TypeUrl::ENDPOINT, name.into());
    let of_type = Topic::Type(TypeUrl::ENDPOINT);
    let of_a = stream(&store, 1, &[of_type.clone(), name("a")]);
    let of_b = stream(&store, 2, &[of_type.clone(), name("b")]);
    let of_all = stream(&store, 3, &[of_type, Topic::Wildcard(TypeUrl::ENDPOINT)]);
    let of_clusters = stream(
        &store,
        4,
        &[
            Topic::Type(TypeUrl::CLUSTER),
            Topic::Wildcard(TypeUrl::CLUSTER),
        ],
    );
    let woken = || [of_a(), of_b(), of_all(), of_clusters()];
    publish(&store, &TypeUrl::ENDPOINT, "a=1");
    assert_eq!(woken(), [1, 0, 1, 0]);
    publish(&store, &TypeUrl::ENDPOINT, "a=1");
    assert_eq!(woken(), [0, 0, 0, 0]);
    publish(&store, &TypeUrl::CLUSTER, "a=1");
    assert_eq!(woken(), [0, 0, 0, 1]);
    store.publish(Update::new().put(put("c", "1").with_aliases(["b"])));
    assert_eq!(woken(), [0, 1, 1, 0]);
    store.publish(Update::new().absent(TypeUrl::ENDPOINT, Absent::Withheld));
    assert_eq!(woken(), [1, 1, 1, 0]);
}

#[test]
fn a_stream_that_leaves_is_forgotten() {
    let store = Store::new();
    let wake = Arc::new(Wake {
        stream: 1,
        waker: AtomicWaker::new(),
    });
    let topic = Topic::Name(TypeUrl::ENDPOINT, "a".into());
    store
        .interest()
        .note(&wake, &[InterestChange::Join(topic.clone())]);
    assert_eq!(store.interest().len(), 1);
    store
        .interest()
        .note(&wake, &[InterestChange::Leave(topic)]);
    assert_eq!(store.interest().len(), 0);
}

#[tokio::test]
async fn a_watch_returns_at_once_and_then_whenever_its_type_changes() {
    let store = Arc::new(Store::new());
    let mut watch = store.watch(TypeUrl::ENDPOINT);
    assert_eq!(watch.changed().await.sequence(), 0);
    assert!(watch.changed().now_or_never().is_none());
    publish(&store, &TypeUrl::CLUSTER, "a=1");
    assert!(watch.changed().now_or_never().is_none());
    let waiting = tokio::spawn(async move {
        let snapshot = watch.changed().await;
        (watch, snapshot.sequence())
    });
    tokio::task::yield_now().await;
    publish(&store, &TypeUrl::ENDPOINT, "a=1");
    let (mut watch, sequence) = waiting.await.unwrap();
    assert_eq!(sequence, 2);
    store.publish(Update::new().absent(TypeUrl::ENDPOINT, Absent::Withheld));
    publish(&store, &TypeUrl::ENDPOINT, "-a");
    assert_eq!(watch.changed().await.sequence(), 4, "the newest, once");
    assert!(watch.changed().now_or_never().is_none());
    drop(watch);
    assert_eq!(store.interest().len(), 0);
}

#[test]
fn streams_of_two_servers_that_share_a_store_are_both_woken() {
    let store = Store::new();
    let streams = [Wake::new(), Wake::new()];
    let topic = Topic::Name(TypeUrl::ENDPOINT, "a".into());
    let counters = streams.each_ref().map(|wake| {
        let join = InterestChange::Join(topic.clone());
        store.interest().note(wake, &[join]);
        let counter = Arc::new(Counter::default());
        wake.waker.register(&Arc::clone(&counter).into());
        counter
    });
    publish(&store, &TypeUrl::ENDPOINT, "a=1");
    assert_eq!(
        counters.map(|counter| counter.0.load(Ordering::Relaxed)),
        [1, 1]
    );
}
