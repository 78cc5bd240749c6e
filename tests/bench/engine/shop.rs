//! The shop: what the engine must have heard before objects mean anything to it, and the objects.

use std::collections::BTreeMap;
use std::sync::Arc;

use fusegate::wire::event::{Change, Crd, Document, Event, Feed, GroupKind, Meta, Object, SeenBy};
use fusegate_crds::{CircuitPolicySpec, ConditionContractSpec};
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// What the policies of a run are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policies {
    /// Nobody judges: objects are watched and audited.
    None,
    /// A circuit for each object, by two rules.
    TwoRules,
    /// A circuit for each object, by a rule for each of the ten conditions.
    TenRules,
    /// As `TwoRules`, and all ten conditions are published to Envoy.
    Publishing,
    /// As `TwoRules`, and the contract has three keys more, which expressions compute from each status.
    Computed,
}

/// Keys that expressions compute: of one field, of the whole map, and by a loop over its ten keys.
pub(crate) const COMPUTED: [(&str, &str, &str); 3] = [
    ("generation", "Integer", "object.status.observedGeneration"),
    ("reported", "Integer", "object.status.conditions.size()"),
    (
        "odd",
        "Boolean",
        "object.status.conditions.exists(key, key.startsWith('x-'))",
    ),
];

/// Every key, and a threshold that healthy values keep.
const RULES: [(&str, &str, &str); 10] = [
    ("network-latency", "above", "250ms"),
    ("error-rate", "above", "0.5"),
    ("queue-depth", "above", "2000000"),
    ("cpu-load", "above", "95%"),
    ("build", "equals", "broken"),
    ("disk-latency", "above", "1s"),
    ("memory-free", "below", "1Mi"),
    ("saturation", "above", "0.9"),
    ("ready", "equals", "false"),
    ("tier", "equals", "silver"),
];

/// The feeds that every engine hears.
pub(crate) const FEEDS: [Feed; 5] = [
    Feed::Contracts,
    Feed::Policies,
    Feed::Overrides,
    Feed::Crds,
    Feed::Revisions,
];

pub(crate) fn kind() -> GroupKind {
    GroupKind::new("shop.example.com", "Storefront")
}

/// Everything before the objects: a contract, a served kind, a policy in each namespace, all listed.
pub(crate) fn opening(policies: Policies, namespaces: usize) -> Vec<Event> {
    let mut events = vec![Event::Leading(true), contract(policies), crd()];
    if policies != Policies::None {
        events.extend((0..namespaces).map(|index| policy(policies, index)));
    }
    events.extend(FEEDS.map(Event::Listed));
    events.push(Event::Listing(Feed::Objects(kind())));
    events
}

/// The list of objects is complete, and the watch follows.
pub(crate) fn opened() -> [Event; 2] {
    let feed = Feed::Objects(kind());
    [Event::Listed(feed.clone()), Event::Confirmed(feed)]
}

/// An object as a watch tells it. Names and uids have the length that they have in clusters.
pub(crate) fn object(index: usize, namespaces: usize, version: usize, status: String) -> Event {
    let mixed = (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let labels = [
        ("app.kubernetes.io/name", "storefront".to_owned()),
        ("app.kubernetes.io/instance", format!("store-{index}")),
        ("tier", "gold".to_owned()),
    ];
    let labels: BTreeMap<String, String> = labels
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    let meta = Meta {
        namespace: namespace(index % namespaces).into(),
        name: format!("store-{index}").into(),
        uid: format!("{:08x}-0000-4000-8000-{mixed:016x}", mixed >> 32).into(),
        resource_version: (100_000_000 + version).to_string().into(),
        generation: 1,
        labels,
        annotations: BTreeMap::new(),
    };
    let object = Object {
        meta,
        status: Some(RawValue::from_string(status).expect("valid JSON")),
        rest: None,
        seen_by: SeenBy::Watch,
    };
    Event::Object(kind(), Change::Applied(object))
}

pub(crate) fn namespace(index: usize) -> String {
    format!("shop-{index}")
}

pub(crate) fn meta(namespace: &str, name: &str) -> Meta {
    Meta {
        namespace: namespace.into(),
        name: name.into(),
        uid: format!("uid-of-{namespace}-{name}").into(),
        resource_version: "1".into(),
        generation: 1,
        ..Meta::default()
    }
}

fn contract(policies: Policies) -> Event {
    let mut spec: Value = serde_json::from_str(include_str!("../contract.json")).expect("JSON");
    if policies == Policies::Computed {
        let conditions = spec["conditions"].as_array_mut().expect("conditions");
        conditions.extend(
            COMPUTED
                .map(|(key, type_, cel)| json!({"key": key, "type": type_, "from": {"cel": cel}})),
        );
    }
    let spec: ConditionContractSpec = serde_json::from_value(spec).expect("a contract");
    Event::Contract(Change::Applied(Document {
        meta: meta("", "storefronts.shop.example.com"),
        spec: Ok(Arc::new(spec)),
        status: None,
    }))
}

fn crd() -> Event {
    let spec: Value = json!({
        "group": "shop.example.com",
        "scope": "Namespaced",
        "names": {"kind": "Storefront", "plural": "storefronts"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
    });
    Event::Crd(Change::Applied(Crd {
        meta: meta("", "storefronts.shop.example.com"),
        target: kind(),
        namespaced: true,
        established: true,
        stored_versions: vec!["v1".to_owned()],
        spec: Arc::new(spec),
        managers: vec!["kubectl".to_owned()],
    }))
}

fn policy(policies: Policies, index: usize) -> Event {
    let rules = if policies == Policies::TenRules {
        &RULES[..]
    } else {
        &RULES[..2]
    };
    let when: Vec<Value> = rules
        .iter()
        .map(|(key, test, limit)| json!({"condition": key, *test: limit}))
        .collect();
    let spec: CircuitPolicySpec = serde_json::from_value(json!({
        "contract": "storefronts.shop.example.com",
        "selector": {"matchLabels": {"tier": "gold"}},
        "mode": "Enforce",
        "trip": {"when": when},
        "onTrip": ["RejectUpdates", "Alert"],
        "mesh": {
            "shed": [{"cluster": "{namespace}-{name}", "percent": 100}],
            "publishConditions": policies == Policies::Publishing,
        },
        "alert": {"severity": "critical"},
    }))
    .expect("a policy");
    Event::Policy(Change::Applied(Document {
        meta: meta(&namespace(index), "checkout"),
        spec: Ok(Arc::new(spec)),
        status: None,
    }))
}
