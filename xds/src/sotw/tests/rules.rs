//! One test for each rule.

use rstest::rstest;

use super::{Client, some};
use crate::protocol::testing::{failing, line};
use crate::protocol::{Event, Limits, Scope};
use crate::snapshot::Absent;
use crate::sotw::{Request, Sotw};
use crate::store::Update;
use crate::type_url::TypeUrl;

#[test]
fn rule_3_a_nonce_of_an_earlier_stream_means_nothing() {
    let mut client = Client::of_endpoints("a=1");
    let request = Request {
        nonce: "17".into(),
        ..Request::new(TypeUrl::ENDPOINT, vec!["a".into()])
    };
    client.request(&request).unwrap();
    assert_eq!(client.take(), some("a=1"));
}

#[test]
fn rule_4_equal_content_has_equal_versions_on_every_server() {
    let version = |mut client: Client| {
        client.ask("");
        client.next();
        client.last.unwrap().version
    };
    let one = Client::of_clusters("a=1 b=2");
    let other = Client::of_clusters("b=1 c=3 a=1");
    other.publish("b=2 -c");
    assert_eq!(version(one), version(other));
}

#[test]
fn rule_6_only_the_latest_request_of_a_type_is_answered() {
    let mut client = Client::of_endpoints("a=1 b=1");
    client.ask("a");
    client.ask("b");
    assert_eq!(client.next(), some("b=1"));
    assert_eq!(client.next(), None);
}

#[test]
fn rule_10_a_stale_request_gets_no_response() {
    let mut client = Client::of_endpoints("a=1 b=1");
    client.ask("a");
    let stale = client.change("");
    client.take();
    assert_eq!(client.request(&stale), Ok(vec![]));
    client.publish("a=2");
    assert_eq!(client.take(), None, "the first response awaits its answer");
    client.ack();
    assert_eq!(client.next(), some("a=2"));
    let old = Request {
        nonce: "1".into(),
        ..stale
    };
    assert_eq!(client.request(&old), Ok(vec![]));
    assert_eq!(client.take(), None);
}

#[test]
fn rule_10_a_request_that_can_be_no_race_is_a_subscription() {
    for nonce in ["", "1", "of another stream"] {
        for mut client in [
            Client::of_endpoints("a=1 b=1"),
            Client::of_clusters("a=1 b=1"),
        ] {
            client.ask("a");
            client.next();
            client.publish("a=2");
            client.next();
            let request = Request {
                nonce: nonce.into(),
                ..Request::new(client.type_url.clone(), vec!["b".into()])
            };
            let subscribed = Event::Subscribed(client.type_url.clone());
            assert_eq!(client.request(&request), Ok(vec![subscribed]));
            client.names = request.names;
            assert_eq!(client.next(), some("b=1"), "{nonce:?}");
        }
    }
}

#[test]
fn rule_10_a_client_that_begins_anew_is_sent_everything_anew() {
    for mut client in [
        Client::of_endpoints("a=1 b=1"),
        Client::of_clusters("a=1 b=1"),
    ] {
        client.ask("a b");
        client.next();
        let anew = Request::new(client.type_url.clone(), client.names.clone());
        let subscribed = Event::Subscribed(client.type_url.clone());
        assert_eq!(client.request(&anew), Ok(vec![subscribed]));
        assert_eq!(client.next(), some("a=1 b=1"));
        assert_eq!(client.next(), None);
    }
}

#[test]
fn rule_10_a_response_that_was_dropped_unanswered_goes_again() {
    let wait = Limits::default().answer;
    for mut client in [
        Client::of_endpoints("a=1 b=1"),
        Client::of_clusters("a=1 b=1"),
    ] {
        client.ask("a b");
        client.take();
        let dropped = Request::new(client.type_url.clone(), client.names.clone());
        client.request(&dropped).unwrap();
        assert_eq!(client.take(), None, "the answer may be on its way");
        assert_eq!(client.core.wake_at(), Some(wait));
        client.now = wait;
        assert_eq!(client.take(), some("a=1 b=1"));
        client.request(&dropped).unwrap();
        assert_eq!(client.take(), None);
        assert_eq!(
            client.core.wake_at(),
            Some(wait * 3),
            "more and more rarely"
        );
        client.ack();
        assert_eq!(client.take(), None);
        assert_eq!(client.core.wake_at(), None);
    }
}

#[test]
fn rule_10_a_client_that_is_slow_and_asks_for_nothing_is_waited_for() {
    let mut client = Client::of_endpoints("a=1 b=1");
    client.ask("a");
    client.take();
    client.publish("a=2");
    assert_eq!(client.take(), None);
    assert_eq!(client.core.wake_at(), None);
    client.now = Limits::default().answer * 100;
    assert_eq!(client.take(), None);
}

#[test]
fn rule_10_names_asked_for_while_a_response_was_under_way_are_not_lost() {
    let mut client = Client::of_endpoints("a=1 b=1");
    client.ask("a");
    let stale = Request {
        names: vec!["a".into(), "b".into()],
        ..client.change("")
    };
    client.take();
    client.request(&stale).unwrap();
    assert_eq!(client.take(), None);
    client.names.push("b".into());
    client.ack();
    assert_eq!(client.next(), some("b=1"));
}

#[test]
fn rule_13_the_names_are_the_whole_set() {
    let mut client = Client::of_endpoints("a=1 b=1");
    client.ask("a b");
    client.next();
    client.ask("b");
    client.publish("a=2 b=2");
    assert_eq!(client.next(), some("b=2"));
}

#[test]
fn rule_14_a_name_added_is_sent_even_if_it_was_sent_unasked() {
    let mut client = Client::of_endpoints("a=1 b=1");
    client.ask("*");
    assert_eq!(client.next(), some("a=1 b=1"));
    client.ask("* a");
    assert_eq!(client.next(), some("a=1"));
    let mut client = Client::of_clusters("a=1 b=1");
    client.ask("*");
    client.next();
    client.ask("* a");
    assert_eq!(client.next(), some("a=1 b=1"));
}

#[test]
fn rule_15_a_name_dropped_and_taken_up_again_is_sent_again() {
    let mut client = Client::of_endpoints("a=1 b=1");
    client.ask("a b");
    client.next();
    client.ask("b");
    assert_eq!(client.next(), None);
    client.ask("a b");
    assert_eq!(client.next(), some("a=1"));
}

#[test]
fn rule_15_it_is_even_if_that_happened_while_a_response_was_under_way() {
    let mut client = Client::of_endpoints("a=1 b=1");
    client.ask("a b");
    client.next();
    let without = Request {
        names: vec!["b".into()],
        ..client.change("")
    };
    client.publish("b=2");
    client.take();
    client.request(&without).unwrap();
    client.ack();
    assert_eq!(client.next(), some("a=1"));
}

#[rstest]
fn rule_16_some_types_are_complete_and_may_be_empty(
    #[values(
        TypeUrl::CLUSTER,
        TypeUrl::LISTENER,
        TypeUrl::SCOPED_ROUTE,
        TypeUrl::RATE_LIMIT_CONFIG
    )]
    type_url: TypeUrl,
) {
    let mut client = Client::new(type_url, "a=1 b=1");
    client.ask("");
    client.next();
    client.publish("b=2");
    assert_eq!(client.next(), some("a=1 b=2"));
    client.publish("c=1 -a");
    assert_eq!(client.next(), some("b=2 c=1"));
    client.publish("-c");
    assert_eq!(client.next(), some("b=2"));
    client.publish("-b");
    assert_eq!(client.next(), some(""));
}

#[test]
fn rule_16_a_publisher_says_of_its_own_types_whether_they_are_complete() {
    let own = TypeUrl::new("type.googleapis.com/acme.Own");
    for (full_state, changed) in [(true, "a=1 b=2"), (false, "b=2")] {
        let mut client = Client::new(own.clone(), "");
        let update = Update::new().full_state(own.clone(), full_state);
        client.store.publish(update);
        client.publish("a=1 b=1");
        client.ask("a b");
        assert_eq!(client.next(), some("a=1 b=1"));
        client.publish("b=2");
        assert_eq!(client.next(), some(changed));
        client.publish("-a");
        assert_eq!(client.next(), full_state.then(|| "b=2".into()));
    }
}

#[test]
fn rule_16_other_types_send_what_changed_and_no_removals() {
    let mut client = Client::of_endpoints("a=1 b=1");
    client.ask("a b");
    client.next();
    client.publish("b=2 -a");
    assert_eq!(client.next(), some("b=2"));
    client.publish("-b");
    assert_eq!(client.next(), None);
}

#[test]
fn rule_16_a_missing_name_of_a_complete_type_is_answered_by_its_absence() {
    let mut client = Client::new(TypeUrl::LISTENER, "");
    client.ask("a");
    assert_eq!(client.next(), some(""));
}

#[test]
fn rule_18_no_names_after_names_is_a_subscription_to_nothing() {
    let mut client = Client::of_clusters("a=1 b=1");
    client.ask("a");
    assert_eq!(client.next(), some("a=1"));
    client.ask("");
    client.publish("a=2");
    assert_eq!(client.take().unwrap_or_default(), "");
    client.ack();
    client.publish("a=3");
    assert_eq!(client.next(), None);
}

#[test]
fn rule_19_the_wildcard_in_all_its_forms() {
    let mut client = Client::of_endpoints("a=1 b=1");
    client.ask("");
    assert_eq!(client.next(), some("a=1 b=1"));
    client.ask("* a");
    assert_eq!(client.next(), some("a=1"));
    client.publish("b=2");
    assert_eq!(client.next(), some("b=2"));
    client.ask("a");
    client.publish("a=2 b=3");
    assert_eq!(client.next(), some("a=2"));
    client.ask("");
    client.publish("a=3 b=4");
    assert_eq!(client.next(), None);
}

#[test]
fn rule_34_a_reconnecting_client_is_answered_at_the_version_it_holds() {
    let mut client = Client::of_endpoints("a=1");
    client.ask("a");
    client.next();
    client.core = Sotw::new(Limits::default());
    client.last = None;
    client.ask("a");
    assert_eq!(client.next(), some("a=1"));
}

#[test]
fn rule_37_a_failure_is_told_once_beside_all_else() {
    let mut client = Client::of_endpoints("a=1 b=1");
    client
        .store
        .publish(failing(&TypeUrl::ENDPOINT, "a", "busy"));
    client.ask("a b");
    assert_eq!(client.next(), some("b=1 !a=busy"));
    client.publish("b=2");
    assert_eq!(client.next(), some("b=2"));
    client.publish("a=2");
    assert_eq!(client.next(), some("a=2"));
    let mut client = Client::of_clusters("a=1 b=1");
    client.core.confine(Scope::everything().explaining(true));
    client.ask("a b");
    client.next();
    client
        .store
        .publish(failing(&TypeUrl::CLUSTER, "a", "busy"));
    assert_eq!(client.next(), some("b=1 !a=busy"));
    client.publish("b=2");
    assert_eq!(client.next(), some("b=2"));
}

#[test]
fn rule_37_who_has_it_goes_on_with_it_and_is_told_why() {
    let mut client = Client::of_clusters("a=1 b=1");
    client.ask("a b");
    client.next();
    let fail = |name: &str, words: &str| failing(&TypeUrl::CLUSTER, name, words);
    client.store.publish(fail("a", "busy"));
    assert_eq!(client.next(), some("a=1 b=1 !a=busy"));
    client.store.publish(fail("a", "busier"));
    client.publish("b=2");
    assert_eq!(client.next(), some("a=1 b=2 !a=busier"));
    client.publish("b=3");
    assert_eq!(client.next(), some("a=1 b=3"), "it is told once");
    let mut other = Sotw::new(Limits::default());
    let request = Request::new(TypeUrl::CLUSTER, vec!["a".into(), "b".into()]);
    other.request(&request).unwrap();
    let first = other.next(&client.store.snapshot(), client.now).unwrap();
    assert_eq!(
        line(&first),
        "b=3 !a=busier",
        "who has nothing gets nothing"
    );
    client.publish("a=2");
    assert_eq!(client.next(), some("a=2 b=3"));
    client.store.publish(fail("a", "busy"));
    client.publish("-a");
    assert_eq!(client.next(), some("b=3"));
}

#[test]
fn what_is_withheld_holds_a_complete_response_back() {
    let mut client = Client::of_clusters("a=1");
    client
        .store
        .publish(Update::new().absent(TypeUrl::CLUSTER, Absent::Withheld));
    client.ask("");
    assert_eq!(client.next(), None);
    client.publish("b=1");
    assert_eq!(client.next(), None);
    client
        .store
        .publish(Update::new().absent(TypeUrl::CLUSTER, Absent::Missing));
    assert_eq!(client.next(), some("a=1 b=1"));
    let mut client = Client::of_clusters("a=1");
    client
        .store
        .publish(Update::new().withhold(TypeUrl::CLUSTER, "b"));
    client.ask("a b");
    assert_eq!(client.next(), None);
    client
        .store
        .publish(Update::new().release(TypeUrl::CLUSTER, "b"));
    assert_eq!(client.next(), some("a=1"));
}
