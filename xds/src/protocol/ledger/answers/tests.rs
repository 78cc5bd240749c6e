//! What waits for its search, and how much of it may.

use std::sync::Arc;

use super::{Ledger, Nonce, Response};
use crate::bisect::Bisect;
use crate::protocol::Event;
use crate::protocol::nacks::WAITING;
use crate::protocol::testing::{rejection, resource};
use crate::resource::Resource;
use crate::runtime::{self, RuntimeValue};
use crate::type_url::TypeUrl;
use crate::version::Version;

/// The client refuses `resources`, in the order of their names, and has not answered something else yet.
fn refuse(ledger: &mut Ledger, nonce: Nonce, resources: Vec<Resource>) {
    let plan = Bisect::nothing()
        .resources(TypeUrl::ENDPOINT)
        .parts(TypeUrl::RUNTIME, runtime::keys());
    let keys: Vec<Arc<str>> = resources.iter().map(|one| Arc::clone(one.name())).collect();
    let response = Response {
        type_url: resources[0].type_url().clone(),
        version: Version::of(b""),
        sequence: 1,
        nonce,
        resources,
        removed: Vec::new(),
        unknown: Vec::new(),
        failed: Vec::new(),
        heartbeats: Vec::new(),
        ttl: false,
        probe: false,
    };
    ledger.refuse(&response, &keys, &rejection(), &plan, false);
}

fn layer(name: &str, round: usize) -> Resource {
    let value = RuntimeValue::Text(round.to_string());
    runtime::layer(name, [("key", value)])
}

#[test]
fn what_is_refused_again_before_its_turn_waits_once() {
    let (mut ledger, mut nonce) = (Ledger::default(), Nonce::default());
    for round in 0..100 {
        nonce = nonce.next();
        refuse(&mut ledger, nonce, vec![layer("shop", round)]);
    }
    assert_eq!(ledger.nacks.searches.waiting.len(), 1);
    assert_eq!(ledger.nacks.searches.waiting[0].nonce, nonce);
    assert!(ledger.nacks_mut().news().is_empty());
}

#[test]
fn an_answer_to_something_older_voids_no_search_for_something_newer() {
    let mut ledger = Ledger::default();
    let older = Nonce::default().next();
    refuse(&mut ledger, older.next(), vec![layer("shop", 2)]);
    refuse(&mut ledger, older, vec![layer("shop", 1)]);
    let newest = ledger
        .nacks
        .searches
        .waiting
        .iter()
        .map(|trial| trial.nonce)
        .max();
    assert_eq!(newest, Some(older.next()));
}

#[test]
fn at_the_bound_what_is_refused_stays_parked_and_is_told_of() {
    let (mut ledger, mut nonce) = (Ledger::default(), Nonce::default());
    let pair = |round: usize| {
        let names = [format!("{round}-a"), format!("{round}-b")];
        names.map(|name| resource(&TypeUrl::ENDPOINT, &name, "bad"))
    };
    for round in 0..WAITING + 3 {
        nonce = nonce.next();
        refuse(&mut ledger, nonce, pair(round).to_vec());
    }
    refuse(&mut ledger, nonce.next(), vec![layer("shop", 1)]);
    assert_eq!(ledger.nacks.searches.waiting.len(), WAITING);
    let news = ledger.nacks_mut().news();
    assert_eq!(news.len(), 4);
    let open = |event: &Event| matches!(event, Event::Unresolved(_, open, _) if open.len() == 2);
    assert!(news[..3].iter().all(open), "{news:?}");
    let parked = |event: &Event| matches!(event, Event::Unresolved(_, open, _) if open.len() == 1);
    assert!(parked(&news[3]), "{news:?}");
}
