//! One test for each rule.

use rstest::rstest;

use super::{Connect, delta, sotw};
use crate::protocol::testing::client::{Client, Dialect};
use crate::protocol::testing::{names, rejection, resource, some};
use crate::protocol::{Event, Limits, Refusal, StreamCore};
use crate::snapshot::Absent;
use crate::store::Update;
use crate::type_url::TypeUrl;

#[rstest]
fn rule_5_a_refusal_of_one_type_leaves_the_others_alone<V: Dialect>(
    #[values(sotw, delta)] connect: Connect<V>,
    #[values("", "c")] names: &str,
) {
    let mut client = connect(TypeUrl::ENDPOINT, "a=1");
    client.subscribe("a");
    client.take();
    client.nack();
    client.turn_to(TypeUrl::CLUSTER);
    client.publish("c=1");
    client.subscribe(names);
    assert_eq!(client.next(), some("c=1"));
}

#[rstest]
fn rule_7_an_ack_gets_no_reply_if_nothing_changed<V: Dialect>(
    #[values(sotw, delta)] connect: Connect<V>,
    #[values(TypeUrl::CLUSTER, TypeUrl::ENDPOINT)] type_url: TypeUrl,
    #[values("", "a")] names: &str,
) {
    let mut client = connect(type_url, "a=1");
    client.subscribe(names);
    assert_eq!(client.take(), some("a=1"));
    assert!(matches!(client.ack()[..], [Event::Acked(_)]));
    assert_eq!(client.take(), None);
    assert!(client.ack().is_empty(), "a response is settled once");
}

fn assert_refuses<V: Dialect>(client: &mut Client<V>) {
    let events = client.nack();
    let [Event::Nacked(response, why)] = &events[..] else {
        panic!("{events:?}");
    };
    let last = client.last.as_ref().unwrap();
    assert_eq!((response, why), (last, &rejection()));
    assert_eq!(client.take(), None);
}

#[rstest]
#[case::sotw(sotw, "a=1 b=bad")]
#[case::delta(delta, "b=bad")]
fn rule_8_a_nack_is_the_error_detail_and_never_inferred<V: Dialect>(
    #[case] connect: Connect<V>,
    #[case] refused: &str,
) {
    let mut client = connect(TypeUrl::CLUSTER, "a=1");
    client.subscribe("");
    client.next();
    client.publish("b=bad");
    assert_eq!(client.take(), some(refused));
    assert_refuses(&mut client);
    let mut client = connect(TypeUrl::ENDPOINT, "a=1");
    client.subscribe("a");
    assert_eq!(client.take(), some("a=1"));
    assert_refuses(&mut client);
}

#[rstest]
fn rule_9_what_was_refused_is_parked_until_it_changes<V: Dialect>(
    #[values(sotw, delta)] connect: Connect<V>,
) {
    let mut client = connect(TypeUrl::ENDPOINT, "a=bad b=1");
    client.subscribe("a b");
    assert_eq!(client.take(), some("a=bad b=1"));
    client.nack();
    assert_eq!(client.take(), None);
    client.publish("unrelated=1");
    assert_eq!(client.take(), None);
    client.publish("a=good");
    assert_eq!(
        client.next(),
        some("a=good b=1"),
        "all that was refused together goes again"
    );
    assert_eq!(client.take(), None);
}

#[rstest]
fn rule_9_newer_content_goes_at_once_after_a_refusal<V: Dialect>(
    #[values(sotw, delta)] connect: Connect<V>,
    #[values(TypeUrl::CLUSTER, TypeUrl::ENDPOINT)] type_url: TypeUrl,
    #[values("", "a")] names: &str,
) {
    let mut client = connect(type_url, "a=bad");
    client.subscribe(names);
    client.take();
    client.publish("a=good");
    if !V::DELTA {
        assert_eq!(client.take(), None, "one response at a time");
    }
    client.nack();
    assert_eq!(client.take(), some("a=good"));
}

#[rstest]
#[case::sotw(sotw, None)]
#[case::delta(delta, some("-c"))]
fn rule_9_a_new_subscription_goes_on_beside_what_is_parked<V: Dialect>(
    #[case] connect: Connect<V>,
    #[case] missing: Option<String>,
    #[values("a", "a b")] refused: &str,
) {
    let mut client = connect(TypeUrl::ENDPOINT, "a=bad b=1 d=1");
    client.subscribe(refused);
    client.take();
    client.nack();
    client.subscribe("d");
    assert_eq!(client.next(), some("d=1"));
    client.subscribe("c");
    assert_eq!(client.next(), missing);
    client.publish("c=1");
    assert_eq!(client.next(), some("c=1"));
}

#[rstest]
fn rule_12_a_subscription_in_an_answer_is_applied<V: Dialect>(
    #[values(sotw, delta)] connect: Connect<V>,
) {
    let mut client = connect(TypeUrl::ENDPOINT, "a=bad b=1 c=1");
    client.subscribe("a");
    client.take();
    client.answer("b", Some(rejection()));
    assert_eq!(client.take(), some("b=1"));
    client.answer("c", None);
    assert_eq!(client.next(), some("c=1"));
}

#[rstest]
#[case::sotw(sotw, None)]
#[case::delta(delta, some("-a"))]
fn rules_17_and_25_a_missing_name_is_sent_once_it_exists<V: Dialect>(
    #[case] connect: Connect<V>,
    #[case] missing: Option<String>,
) {
    let mut client = connect(TypeUrl::ENDPOINT, "");
    client.subscribe("a");
    assert_eq!(client.next(), missing);
    client.publish("a=1");
    assert_eq!(client.next(), some("a=1"));
}

#[rstest]
fn rule_21_the_first_wildcard_is_answered_even_with_nothing<V: Dialect>(
    #[values(sotw, delta)] connect: Connect<V>,
    #[values(TypeUrl::CLUSTER, TypeUrl::ENDPOINT)] type_url: TypeUrl,
    #[values("", "*")] wildcard: &str,
) {
    let mut client = connect(type_url, "");
    client.subscribe(wildcard);
    assert_eq!(client.next(), some(""));
    assert_eq!(client.next(), None);
}

#[rstest]
fn rule_31_one_change_goes_in_make_before_break_order<V: Dialect>(
    #[values(sotw, delta)] connect: Connect<V>,
    #[values("", "*")] wildcard: &str,
    #[values(true, false)] answers: bool,
) {
    let expected = [
        TypeUrl::CLUSTER,
        TypeUrl::ENDPOINT,
        TypeUrl::LISTENER,
        TypeUrl::ROUTE,
    ];
    let mut client = connect(TypeUrl::CLUSTER, "");
    for type_url in expected.iter().rev() {
        client.turn_to(type_url.clone());
        client.subscribe(wildcard);
        client.next();
        client.publish("a=1");
    }
    let mut order = Vec::new();
    while client.take().is_some() {
        client.turn_to(client.last.as_ref().unwrap().type_url.clone());
        order.push(client.type_url.clone());
        assert!(order.len() <= expected.len(), "{order:?}");
        if answers {
            client.names = names(wildcard);
            client.ack();
        }
    }
    assert_eq!(order, expected);
}

#[rstest]
#[case::sotw(sotw, "shop=")]
#[case::delta(delta, "shop= -bank")]
fn an_absent_name_may_have_a_stand_in<V: Dialect>(
    #[case] connect: Connect<V>,
    #[case] at_first: &str,
) {
    let mut client = connect(TypeUrl::ENDPOINT, "");
    let empty = Absent::default_to(|name| {
        let permitted = name.starts_with("shop");
        permitted.then(|| resource(&TypeUrl::ENDPOINT, name, ""))
    });
    let update = Update::new().absent(TypeUrl::ENDPOINT, empty);
    client.store.publish(update);
    client.subscribe("shop bank");
    assert_eq!(client.next(), some(at_first));
    client.publish("shop=1");
    assert_eq!(client.next(), some("shop=1"));
    client.publish("-shop");
    assert_eq!(client.next(), some("shop="));
}

#[rstest]
fn limits_name_themselves<V: Dialect>(#[values(sotw, delta)] connect: Connect<V>) {
    let mut client = connect(TypeUrl::ENDPOINT, "");
    client.core = StreamCore::new(Limits {
        names: 2,
        types: 1,
        name_bytes: 5,
        ..Limits::default()
    });
    client.subscribe("a b");
    client.subscribe("-b c");
    let refusal = client.request(&client.change("d")).unwrap_err();
    let expected = Refusal::TooManyNames {
        type_url: TypeUrl::ENDPOINT,
        limit: 2,
    };
    assert_eq!(refusal, expected);
    let text = refusal.to_string();
    assert!(text.contains("limit of 2 names"), "{text}");
    let refusal = client.request(&client.change("longer")).unwrap_err();
    let expected = Refusal::NameTooLong {
        type_url: TypeUrl::ENDPOINT,
        length: 6,
        limit: 5,
    };
    assert_eq!(refusal, expected);
    client.turn_to(TypeUrl::CLUSTER);
    let refusal = client.request(&client.change("a")).unwrap_err();
    let expected = Refusal::TooManyTypes {
        type_url: TypeUrl::CLUSTER,
        limit: 1,
    };
    assert_eq!(refusal, expected);
}
