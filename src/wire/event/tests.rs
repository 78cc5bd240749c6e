//! Events as a recording keeps them: what is written is read back the same, and takes one line.

use fusegate_crds::{
    CircuitOverride, CircuitPolicy, ConditionContract, ObjectLabels, PrometheusQuery,
};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::wire::query::{Answered, Series, Unanswered, UnansweredReason};

fn text() -> impl Strategy<Value = Box<str>> {
    prop_oneof!["[a-z0-9.-]{0,12}", any::<String>()].prop_map(Into::into)
}

fn map() -> impl Strategy<Value = BTreeMap<String, String>> {
    prop::collection::btree_map(any::<String>(), any::<String>(), 0..3)
}

fn meta() -> impl Strategy<Value = Meta> {
    let names = (text(), text(), text(), text());
    (names, any::<i64>(), map(), map()).prop_map(|(names, generation, labels, annotations)| Meta {
        namespace: names.0,
        name: names.1,
        uid: names.2,
        resource_version: names.3,
        generation,
        labels,
        annotations,
    })
}

fn kind() -> impl Strategy<Value = GroupKind> {
    (text(), text()).prop_map(|(group, kind)| GroupKind::new(&*group, &*kind))
}

fn change<T: std::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Change<T>> {
    (of, any::<bool>()).prop_map(|(of, gone)| {
        if gone {
            Change::Deleted(of)
        } else {
            Change::Applied(of)
        }
    })
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A status as anyone may write it: it is kept as it came.
fn status() -> impl Strategy<Value = Option<Box<RawValue>>> {
    let odd = prop::sample::select(vec![
        "null",
        "\"text\"",
        "\"null\"",
        "nul",
        "[1,\n2]",
        "{\"a\" :\t1e999,\r\n \"a\":-0.0}",
        "{\"conditions\":{\"x\":0.30000000000000004441}}",
    ]);
    let deep = (0..400_usize).prop_map(|depth| "[".repeat(depth) + &"]".repeat(depth));
    let text = prop_oneof![
        value().prop_map(|value| value.to_string()),
        value().prop_map(|value| format!("{value:#}")),
        odd.prop_map(str::to_owned),
        deep,
    ];
    // What is no JSON comes from no source.
    text.prop_map(|text| RawValue::from_string(text).ok())
}

fn object() -> impl Strategy<Value = Object> {
    let seen = prop::sample::select(vec![SeenBy::Watch, SeenBy::Directory]);
    (meta(), status(), status(), seen).prop_map(|(meta, status, rest, seen_by)| Object {
        meta,
        status,
        rest,
        seen_by,
    })
}

fn crd() -> impl Strategy<Value = Crd> {
    let flags = (any::<bool>(), any::<bool>());
    let lists = prop::collection::vec(any::<String>(), 0..3);
    (meta(), kind(), flags, lists, value()).prop_map(|(meta, target, flags, list, spec)| Crd {
        meta,
        target,
        namespaced: flags.0,
        established: flags.1,
        stored_versions: list.clone(),
        spec: Arc::new(spec),
        managers: list,
    })
}

fn resource() -> impl Strategy<Value = ApiResource> {
    (kind(), text(), text(), any::<bool>()).prop_map(|(target, version, plural, namespaced)| {
        ApiResource {
            target,
            version,
            plural,
            namespaced,
        }
    })
}

fn revision() -> impl Strategy<Value = Revision> {
    let times = (any::<u64>(), any::<i64>());
    let names = (text(), text(), text(), prop::option::of(text()));
    (names, times, value()).prop_map(|(names, times, spec)| Revision {
        crd: names.0,
        crd_uid: names.1,
        number: times.0,
        hash: names.2,
        seen_at: times.1,
        bad: names.3,
        spec: Arc::new(spec),
    })
}

/// A document of ours: the spec of an example, or problems; a status or none.
fn document<S, T>(spec: S, status: Option<T>) -> impl Strategy<Value = Document<S, T>>
where
    S: Clone + std::fmt::Debug,
    T: Clone + std::fmt::Debug,
{
    let problems = prop::collection::vec(any::<String>(), 1..3);
    let spec = prop_oneof![
        Just(Ok(Arc::new(spec))),
        problems.prop_map(Err::<Arc<S>, Vec<String>>),
    ];
    let status = prop_oneof![Just(status.map(Arc::new)), Just(None)];
    (meta(), spec, status).prop_map(|(meta, spec, status)| Document { meta, spec, status })
}

fn documents() -> impl Strategy<Value = Event> {
    let contract: ConditionContract = serde_json::from_value(json!({
        "metadata": {"name": "c"},
        "spec": {
            "target": {"group": "g", "kind": "K"},
            "conditions": [{"key": "a", "type": "Number", "minimum": 0, "maximum": "0.5", "staleAfter": "90s"}],
            "rollback": {"mode": "Auto"},
        },
    }))
    .unwrap();
    let policy: CircuitPolicy = serde_json::from_value(json!({
        "metadata": {"name": "p"},
        "spec": {
            "contract": "c",
            "selector": {"matchExpressions": [{"key": "tier", "operator": "In", "values": ["gold"]}]},
            "mode": "Enforce",
            "trip": {"when": [{"condition": "a", "in": ["x", 1]}]},
            "mesh": {"shed": [{"cluster": "{name}"}], "runtime": [{"key": "k", "closed": 10, "open": "off"}]},
        },
    }))
    .unwrap();
    let order: CircuitOverride = serde_json::from_value(json!({
        "metadata": {"name": "o"},
        "spec": {"policy": "p", "state": "ForcedOpen", "until": "2030-01-31T18:00:00.125Z", "reason": "r"},
    }))
    .unwrap();
    let policy_status: CircuitPolicyStatus = serde_json::from_value(json!({
        "conditions": [{
            "type": "Accepted", "status": "True", "reason": "Valid", "message": "m",
            "lastTransitionTime": "2026-11-22T14:05:28Z",
        }],
        "circuits": [{"object": "eu-1", "uid": "u", "state": "Open"}],
    }))
    .unwrap();
    let contract_status: ConditionContractStatus =
        serde_json::from_value(json!({"observedGeneration": 3})).unwrap();
    prop_oneof![
        change(document(contract.spec, Some(contract_status))).prop_map(Event::Contract),
        change(document(policy.spec, Some(policy_status))).prop_map(Event::Policy),
        change(document(order.spec, None)).prop_map(Event::Override),
    ]
}

fn feed() -> impl Strategy<Value = Feed> {
    prop_oneof![
        prop::sample::select(vec![
            Feed::Contracts,
            Feed::Policies,
            Feed::Overrides,
            Feed::Crds,
            Feed::Revisions,
        ]),
        kind().prop_map(Feed::Objects),
    ]
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let blocked = (text(), text());
    let end = prop_oneof![
        Just(RollbackEnd::Done),
        Just(RollbackEnd::Joined),
        blocked.prop_map(|(reason, message)| RollbackEnd::Blocked { reason, message }),
    ];
    (text(), text(), text(), end).prop_map(|(contract, incident, trip, end)| Outcome {
        contract,
        incident,
        trip,
        end,
    })
}

fn admission() -> impl Strategy<Value = AdmissionOutcome> {
    let failed = (text(), text());
    let end = prop_oneof![
        Just(AdmissionEnd::Enforced),
        failed.prop_map(|(reason, message)| AdmissionEnd::Failed { reason, message }),
    ];
    (text(), text(), end).prop_map(|(contract, marker, end)| AdmissionOutcome {
        contract,
        marker,
        end,
    })
}

fn misasked() -> impl Strategy<Value = Misasked> {
    (text(), text(), text(), prop::option::of(text())).prop_map(
        |(namespace, policy, caller, problem)| Misasked {
            namespace,
            policy,
            caller,
            problem,
        },
    )
}

fn programmed() -> impl Strategy<Value = Programmed> {
    let key = (text(), text(), text()).prop_map(|(key, node, message)| RefusedKey {
        key: key.into(),
        node,
        message,
    });
    let words = (prop::option::of(text()), prop::collection::vec(key, 0..3));
    (text(), any::<[u16; 3]>(), words).prop_map(|(layer, counts, (rejected, refused))| Programmed {
        layer,
        proxies: counts[0].into(),
        acked: counts[1].into(),
        partly: counts[2].into(),
        rejected,
        refused,
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    let series = (text(), text(), any::<f64>(), any::<i64>());
    let series = series.prop_map(|(namespace, name, value, at)| Series {
        namespace,
        name,
        value,
        at,
    });
    let answered = (prop::collection::vec(series, 0..3), 0_usize..9)
        .prop_map(|(series, nameless)| Ok(Answered { series, nameless }));
    let unanswered = text().prop_map(|message| {
        let reason = UnansweredReason::TimedOut;
        Err(Unanswered { reason, message })
    });
    let result = prop_oneof![answered, unanswered];
    (text(), text(), result, any::<u64>()).prop_map(|(contract, key, result, took)| Answer {
        query: Arc::new(PrometheusQuery {
            query: contract.to_string(),
            object: ObjectLabels {
                namespace: Some(key.to_string()),
                name: "app".to_owned(),
            },
            interval: "15s".into(),
            max_age: "60s".into(),
        }),
        contract: contract.into(),
        key: key.into(),
        took,
        result,
    })
}

fn webhook() -> impl Strategy<Value = Event> {
    let serving = text().prop_map(|bundle| WebhookState::Serving(json!({"url": bundle})));
    let failed = text().prop_map(WebhookState::Failed);
    let outcome = admission().prop_map(|outcome| WebhookOutcome {
        marker: outcome.marker,
        end: outcome.end,
    });
    let denied = (
        kind(),
        any::<[u16; 2]>(),
        any::<[bool; 2]>(),
        text(),
        text(),
    );
    let denied = denied.prop_map(
        |(kind, [content, keys], [own, scoped], uid, reason)| Denied {
            kind,
            namespace: if scoped { "".into() } else { uid.clone() },
            name: uid.clone(),
            resource_version: uid.clone(),
            by: if own { "".into() } else { uid.clone() },
            uid,
            content: u64::MAX - u64::from(content),
            keys: keys.into(),
            reason,
        },
    );
    prop_oneof![
        prop_oneof![serving, failed].prop_map(Event::Webhook),
        outcome.prop_map(Event::WebhookOutcome),
        denied.prop_map(Event::Denied),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        documents(),
        change(crd()).prop_map(Event::Crd),
        change(resource()).prop_map(Event::ApiResource),
        change(revision()).prop_map(Event::Revision),
        (kind(), change(object())).prop_map(|(kind, change)| Event::Object(kind, change)),
        feed().prop_map(Event::Listing),
        feed().prop_map(Event::Listed),
        feed().prop_map(Event::Confirmed),
        (feed(), text()).prop_map(|(feed, why)| Event::Interrupted(feed, why)),
        (text(), text())
            .prop_map(|(place, message)| Event::Unreadable(Unreadable { place, message })),
        any::<bool>().prop_map(Event::Leading),
        any::<bool>().prop_map(Event::MemoryShort),
        outcome().prop_map(Event::Outcome),
        admission().prop_map(Event::Admission),
        programmed().prop_map(Event::Programmed),
        misasked().prop_map(Event::Misasked),
        answer().prop_map(Event::Answer),
        webhook(),
    ]
}

proptest! {
    #[test]
    fn every_event_takes_one_line_and_is_read_back_the_same(events in prop::collection::vec(event(), 1..4)) {
        let line = serde_json::to_string(&events).unwrap();
        prop_assert!(!line.contains('\n'), "{line}");
        let read: Vec<Event> = serde_json::from_str(&line).unwrap();
        prop_assert_eq!(format!("{events:?}"), format!("{read:?}"));
        prop_assert_eq!(serde_json::to_string(&read).unwrap(), line);
    }
}

/// The names are the format: what was recorded once must be read for ever, or the format gets another number.
#[test]
fn an_event_is_written_by_the_names_of_its_parts() {
    let status = RawValue::from_string("{\"conditions\": {\"a\":  1.50}}".to_owned()).unwrap();
    let event = Event::Object(
        GroupKind::new("g", "K"),
        Change::Applied(Object {
            meta: Meta {
                name: "n".into(),
                ..Meta::default()
            },
            status: Some(status),
            rest: None,
            seen_by: SeenBy::Watch,
        }),
    );
    let expected = r#"{"Object":[{"group":"g","kind":"K"},{"Applied":{"meta":{"name":"n","uid":"","resource_version":"","generation":0},"status":{"conditions": {"a":  1.50}},"seen_by":"Watch"}}]}"#;
    assert_eq!(serde_json::to_string(&event).unwrap(), expected);
}
