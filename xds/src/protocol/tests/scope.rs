//! Names that a client may not have, and responses that can't be sent.

use rstest::rstest;

use super::{Connect, delta, sotw};
use crate::protocol::testing::client::Dialect;
use crate::protocol::testing::{only_own, rejection, some};
use crate::protocol::{Event, Rejection};
use crate::type_url::TypeUrl;

#[rstest]
#[case::sotw(sotw, "own=1")]
#[case::delta(delta, "own=1 -other")]
fn a_name_that_is_not_permitted_is_as_if_it_did_not_exist<V: Dialect>(
    #[case] connect: Connect<V>,
    #[case] at_first: &str,
) {
    let mut client = connect(TypeUrl::ENDPOINT, "other=1 own=1");
    client.core.confine(only_own());
    client.subscribe("other own");
    assert_eq!(client.next(), some(at_first));
    client.publish("other=2");
    assert_eq!(client.next(), None);
    client.publish("other=3 own=2");
    assert_eq!(client.next(), some("own=2"));
}

#[rstest]
fn rule_37_a_forbidden_name_is_explained_to_who_understands<V: Dialect>(
    #[values(sotw, delta)] connect: Connect<V>,
    #[values("", "own=1 ")] permitted: &str,
) {
    let mut client = connect(TypeUrl::ENDPOINT, &format!("other=1 {permitted}"));
    client.core.confine(only_own().explaining(true));
    client.subscribe(if permitted.is_empty() {
        "other"
    } else {
        "other own"
    });
    let told = format!("{permitted}!other=this client may not have `other`; ask for it");
    assert_eq!(client.next(), Some(told));
    client.publish("other=2");
    assert_eq!(client.next(), None);
}

#[rstest]
#[case::sotw(sotw, "")]
#[case::delta(delta, "-own")]
fn a_wildcard_covers_what_is_permitted<V: Dialect>(
    #[case] connect: Connect<V>,
    #[case] removed: &str,
    #[values("", "*")] wildcard: &str,
) {
    let mut client = connect(TypeUrl::CLUSTER, "other=1 own=1");
    client.core.confine(only_own());
    client.subscribe(wildcard);
    assert_eq!(client.next(), some("own=1"));
    client.publish("other=2");
    assert_eq!(client.next(), None);
    client.publish("own=2");
    assert_eq!(client.next(), some("own=2"));
    client.publish("-other");
    assert_eq!(client.next(), None);
    client.publish("other=3 own=3");
    assert_eq!(client.next(), some("own=3"));
    client.publish("-other -own");
    assert_eq!(client.next(), some(removed));
}

#[rstest]
fn what_can_not_be_sent_is_parked_and_the_client_goes_on<V: Dialect>(
    #[values(sotw, delta)] connect: Connect<V>,
    #[values(true, false)] has_an_older: bool,
) {
    let mut client = connect(TypeUrl::ENDPOINT, "a=1");
    client.subscribe("a");
    if has_an_older {
        assert_eq!(client.next(), some("a=1"));
        client.publish("a=2");
    }
    let unsent = client.core.next(&client.store.snapshot(), client.now);
    let event = client.core.reject(&unsent.unwrap(), rejection());
    assert!(matches!(
        event,
        Some(Event::Nacked(_, Rejection { code: 3, .. }))
    ));
    assert_eq!(client.take(), None);
    client.publish("b=1");
    client.subscribe("b");
    assert_eq!(client.next(), some("b=1"));
    client.publish("a=3");
    assert_eq!(client.next(), some("a=3"));
}
