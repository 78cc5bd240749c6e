//! The store under the model checker: no wakeup is lost, no batch is seen in half, no publication is undone.

use std::sync::Arc;

use fusegate_xds_model::client::{Client, letter, resource};
use fusegate_xds_model::snapshot::{Snapshot, Topic};
use fusegate_xds_model::store::{Store, Update};
use fusegate_xds_model::type_url::TypeUrl;
use loom::thread;

/// How often a thread may be interrupted where it need not wait; more makes the search many times longer.
/// Two are enough for each of the faults that these tests were tried with: either fence left out, or a look before the note.
const PREEMPTIONS: usize = 2;

/// The stack of a thread, in words: an update that is applied without optimization takes more than the checker gives.
const STACK: usize = 64 << 10;

#[allow(clippy::unwrap_used, reason = "a thread that panics fails the test")]
fn check(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    let model = Arc::new(model);
    builder.check(move || {
        let model = Arc::clone(&model);
        spawn(move || model()).join().unwrap();
    });
}

#[allow(
    clippy::unwrap_used,
    reason = "a thread that can't begin fails the test"
)]
fn spawn<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::Builder::new().stack_size(STACK).spawn(run).unwrap()
}

fn put(name: &str, letter: char) -> Update {
    Update::new().put(resource(name, letter))
}

/// A thread that publishes these, one after the other.
fn publishing<const N: usize>(store: &Arc<Store>, updates: [Update; N]) -> thread::JoinHandle<()> {
    let store = Arc::clone(store);
    spawn(move || {
        for update in updates {
            store.publish(update);
        }
    })
}

fn topic(name: &str) -> Topic {
    Topic::Name(TypeUrl::RUNTIME, name.into())
}

fn is(name: &'static str, expected: char) -> impl FnMut(&Snapshot) -> Option<()> {
    move |snapshot| (letter(snapshot, name) == Some(expected)).then_some(())
}

#[test]
fn a_client_that_subscribes_meanwhile_gets_what_is_published() {
    check(|| {
        let store = Arc::new(Store::new());
        let publisher = publishing(&store, [put("shop", 'a')]);
        Client::new(1, topic("shop")).subscribe_until(&store, is("shop", 'a'));
        publisher.join().unwrap();
    });
}

#[test]
fn a_client_that_looks_meanwhile_gets_what_is_published_next() {
    check(|| {
        let store = Arc::new(Store::new());
        let publisher = publishing(&store, [put("shop", 'a'), put("shop", 'b')]);
        Client::new(1, topic("shop")).subscribe_until(&store, is("shop", 'b'));
        publisher.join().unwrap();
    });
}

#[test]
fn a_wildcard_client_is_woken_by_every_name() {
    check(|| {
        let store = Arc::new(Store::new());
        let publisher = publishing(&store, [put("shop", 'a')]);
        let wildcard = Topic::Wildcard(TypeUrl::RUNTIME);
        Client::new(1, wildcard).subscribe_until(&store, is("shop", 'a'));
        publisher.join().unwrap();
    });
}

#[test]
fn publishers_that_race_lose_nothing_and_the_log_names_both() {
    check(|| {
        let store = Arc::new(Store::new());
        let other = spawn({
            let store = Arc::clone(&store);
            move || store.publish(put("bank", 'b')).sequence
        });
        let own = store.publish(put("shop", 'a')).sequence;
        let others = other.join().unwrap();

        let snapshot = store.snapshot();
        let published = (letter(&snapshot, "shop"), letter(&snapshot, "bank"));
        assert_eq!(published, (Some('a'), Some('b')));
        assert_eq!(snapshot.sequence(), 2);
        assert_eq!(own.min(others), 1);
        assert_eq!(own.max(others), 2);
    });
}

#[test]
fn both_publishers_wake_the_client_of_what_they_published() {
    check(|| {
        let store = Arc::new(Store::new());
        let publishers = [("shop", 'a'), ("bank", 'b')]
            .map(|(name, letter)| publishing(&store, [put(name, letter)]));
        let wildcard = Topic::Wildcard(TypeUrl::RUNTIME);
        Client::new(1, wildcard).subscribe_until(&store, |snapshot| {
            let all = (letter(snapshot, "shop"), letter(snapshot, "bank"));
            (all == (Some('a'), Some('b'))).then_some(())
        });
        for publisher in publishers {
            publisher.join().unwrap();
        }
    });
}

#[test]
fn a_batch_is_seen_whole_or_not_at_all() {
    check(|| {
        let store = Arc::new(Store::new());
        let publisher = publishing(
            &store,
            [
                put("shop", 'a').put(resource("bank", 'a')),
                put("shop", 'b').put(resource("bank", 'b')),
            ],
        );
        let mut before = 0;
        for _ in 0..2 {
            let snapshot = store.snapshot();
            assert_eq!(letter(&snapshot, "shop"), letter(&snapshot, "bank"));
            assert!(snapshot.sequence() >= before);
            before = snapshot.sequence();
        }
        publisher.join().unwrap();
    });
}

#[test]
fn a_client_that_leaves_takes_nobody_with_it() {
    check(|| {
        let store = Arc::new(Store::new());
        let leaver = Client::new(2, topic("shop"));
        store.publish(put("shop", 'a'));
        leaver.subscribe_until(&store, is("shop", 'a'));
        let others = spawn({
            let store = Arc::clone(&store);
            move || {
                leaver.leave(&store);
                store.publish(put("shop", 'b'));
            }
        });
        Client::new(1, topic("shop")).subscribe_until(&store, is("shop", 'b'));
        others.join().unwrap();
    });
}
