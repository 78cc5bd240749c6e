//! The moment that the pages show: what a real engine says of three Storefronts, four seconds after the first of them tripped.

use std::sync::Arc;

use fusegate::breaker::time::{Mono, Now, Wall};
use fusegate::engine::settings::Capacity;
use fusegate::engine::{Engine, Settings};
use fusegate::wire::event::{Change, Crd, Document, Event, Feed, GroupKind, Meta, Object, SeenBy};
use fusegate::wire::view::View;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// 2026-11-22T14:05:00Z, when `eu-1` tripped.
const TRIPPED: i64 = 1_795_356_300_000;

/// How long ago that is, in milliseconds.
const AGO: u64 = 4_000;

const CONTRACT: &str = "
target: {group: shop.example.com, kind: Storefront}
conditions: [{key: network-latency, type: Duration, minimum: 0s, maximum: 60s}]
rollback: {mode: 'Off'}
";

const POLICY: &str = "
contract: storefronts.shop.example.com
selector: {}
mode: Enforce
trip: {when: [{condition: network-latency, above: 250ms, clearBelow: 200ms}]}
";

/// `eu-1` has tripped, `us-1` is fine, and `ap-1` has never reported.
pub(super) fn view(now: Mono) -> View {
    let mut engine = Engine::new(Settings {
        cluster: "production".into(),
        link: "http://fusegate".into(),
        namespace: "fusegate-system".into(),
        capacity: Capacity::default(),
        shard: None,
    });
    let tripped = now.0 - AGO;
    let at = |mono: u64| Now {
        mono: Mono(mono),
        wall: Wall(TRIPPED + i64::try_from(mono).unwrap() - i64::try_from(tripped).unwrap()),
    };
    for event in beginning() {
        engine.handle(at(tripped - 60_000), event);
    }
    let reports = [
        ("eu-1", Some("300ms"), tripped - 20_000),
        ("eu-1", Some("306ms"), tripped - 10_000),
        ("us-1", Some("120ms"), tripped),
        ("ap-1", None, tripped),
        ("eu-1", Some("312ms"), tripped),
    ];
    for (version, (name, latency, mono)) in reports.into_iter().enumerate() {
        let object = object(name, version, latency);
        engine.handle(at(mono), Event::Object(kind(), Change::Applied(object)));
    }
    for event in [Event::Listed, Event::Confirmed] {
        engine.handle(at(tripped), event(Feed::Objects(kind())));
    }
    let output = engine.flush(Now {
        mono: now,
        ..at(now.0)
    });
    output.view.expect("something has happened")
}

fn kind() -> GroupKind {
    GroupKind::new("shop.example.com", "Storefront")
}

/// A contract, its CRD and a policy.
fn beginning() -> Vec<Event> {
    let contract = Document {
        meta: meta("", "storefronts.shop.example.com", "c1"),
        spec: Ok(Arc::new(serde_saphyr::from_str(CONTRACT).unwrap())),
        status: None,
    };
    let policy = Document {
        meta: meta("shop", "checkout", "p1"),
        spec: Ok(Arc::new(serde_saphyr::from_str(POLICY).unwrap())),
        status: None,
    };
    let spec: Value = json!({
        "group": "shop.example.com",
        "names": {"kind": "Storefront", "plural": "storefronts"},
        "scope": "Namespaced",
        "versions": [{"name": "v1", "served": true, "storage": true}],
    });
    let crd = Crd {
        meta: meta("", "storefronts.shop.example.com", "k1"),
        target: kind(),
        namespaced: true,
        established: true,
        stored_versions: vec!["v1".to_owned()],
        spec: Arc::new(spec),
        managers: Vec::new(),
    };
    let mut events = vec![
        Event::Leading(true),
        Event::Contract(Change::Applied(contract)),
        Event::Crd(Change::Applied(crd)),
        Event::Policy(Change::Applied(policy)),
    ];
    let feeds = [
        Feed::Contracts,
        Feed::Policies,
        Feed::Overrides,
        Feed::Crds,
        Feed::Revisions,
    ];
    events.extend(feeds.map(Event::Listed));
    events
}

fn object(name: &str, version: usize, latency: Option<&str>) -> Object {
    let status = latency.map(|latency| json!({"conditions": {"network-latency": latency}}));
    Object {
        meta: Meta {
            resource_version: version.to_string().into(),
            ..meta("shop", name, name)
        },
        status: status.map(|status| RawValue::from_string(status.to_string()).unwrap()),
        rest: None,
        seen_by: SeenBy::Watch,
    }
}

fn meta(namespace: &str, name: &str, uid: &str) -> Meta {
    Meta {
        namespace: namespace.into(),
        name: name.into(),
        uid: uid.into(),
        generation: 1,
        ..Meta::default()
    }
}
