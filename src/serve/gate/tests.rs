//! Every state at every endpoint, through the real router.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::StatusCode;
use prometheus_client::metrics::counter::Counter;
use rstest::rstest;
use serde_json::{Value as Json, json};

use crate::breaker::circuit::{Forced, StateName};
use crate::breaker::sample::{Class, Unknown};
use crate::serve::fixture::{circuit, forced, get, policy, post, rule, state, unconfirmed, view};
use crate::serve::notice::{Answer, Notice, Notices};
use crate::serve::state::ServeState;
use crate::serve::waiters::{MOST_WAITERS, Waiters};
use crate::wire::labels::Labels;
use crate::wire::view::View;

const CALL: &str = r#"{"name":"checkout","namespace":"shop","phase":"Progressing","checksum":"85d5","metadata":{"policy":"checkout"}}"#;

fn one(state_name: StateName) -> View {
    view(policy([("eu-1", circuit(state_name))]))
}

fn overridden(shadow: StateName, by: Forced) -> View {
    view(policy([("eu-1", forced(shadow, by))]))
}

fn observed(shadow: StateName) -> View {
    let mut policy = policy([("eu-1", circuit(shadow))]);
    policy.observe = true;
    view(policy)
}

/// A state whose view's watch is unconfirmed for 31 s by the state's own clock.
fn blind(made: View) -> ServeState {
    let state = state(View::default());
    let made = unconfirmed(made, state.clock.now().mono, 31_000);
    state.view.store(made.into());
    state
}

/// An Open circuit in Europe, and a Closed one in the States.
fn two() -> View {
    let labeled = |state_name, region: &str| {
        let labels = BTreeMap::from([("region".to_owned(), region.to_owned())]);
        let mut circuit = circuit(state_name);
        circuit.labels = Labels::of(&labels).0;
        circuit
    };
    view(policy([
        ("eu-1", labeled(StateName::Open, "eu")),
        ("us-1", labeled(StateName::Closed, "us")),
    ]))
}

/// A Closed circuit of which one rule has no current evidence.
fn without_evidence(why: Option<Unknown>) -> View {
    let mut missing = rule("error-rate", 0.0, 0);
    missing.value = None;
    missing.class = why.map(Class::Unknown);
    let seen = rule("network-latency", 312.0, 0);
    let closed = circuit(StateName::Closed).seeing([seen, missing]);
    view(policy([("eu-1", closed)]))
}

/// A circuit whose kind has not been listed since the start.
fn unlisted(state_name: StateName) -> View {
    View {
        listed: imbl::HashSet::new(),
        ..one(state_name)
    }
}

/// The same view, of a policy whose gate passes what is not known.
fn passing(mut made: View) -> View {
    let key = ("shop".into(), "checkout".into());
    let mut policy = made.policies[&key].as_ref().clone();
    policy.passes_unknown = true;
    made.policies.insert(key, policy.into());
    made
}

fn unsynced() -> View {
    View {
        synced: false,
        ..one(StateName::Closed)
    }
}

#[rstest]
#[case::closed(state(one(StateName::Closed)), 200, "Closed", "pass")]
#[case::open(state(one(StateName::Open)), 403, "Open", "fail")]
#[case::half_open(state(one(StateName::HalfOpen)), 403, "HalfOpen", "unknown")]
#[case::forced_open(
    state(overridden(StateName::Closed, Forced::Open)),
    403,
    "Open",
    "fail"
)]
#[case::forced_closed(
    state(overridden(StateName::Open, Forced::Closed)),
    200,
    "Closed",
    "pass"
)]
#[case::observe_override(
    state(overridden(StateName::Open, Forced::Observe)),
    200,
    "Closed",
    "pass"
)]
#[case::mode_observe(state(observed(StateName::Open)), 200, "Closed", "pass")]
#[case::unconfirmed(blind(one(StateName::Closed)), 424, "Unknown", "unknown")]
#[case::half_open_unconfirmed(blind(one(StateName::HalfOpen)), 424, "Unknown", "unknown")]
#[case::open_unconfirmed_stays_open(blind(one(StateName::Open)), 403, "Open", "fail")]
#[case::observe_unconfirmed(blind(observed(StateName::Closed)), 200, "Closed", "pass")]
#[case::unsynced(state(unsynced()), 424, "Unknown", "unknown")]
#[case::no_circuits(state(view(policy([]))), 424, "Unknown", "unknown")]
#[case::never_reported(state(without_evidence(None)), 424, "Unknown", "unknown")]
#[case::stale(
    state(without_evidence(Some(Unknown::Stale))),
    424,
    "Unknown",
    "unknown"
)]
#[case::unreadable(
    state(without_evidence(Some(Unknown::NotANumber))),
    424,
    "Unknown",
    "unknown"
)]
#[case::objects_not_listed_yet(state(unlisted(StateName::Closed)), 424, "Unknown", "unknown")]
#[case::resumed_open(state(unlisted(StateName::Open)), 403, "Open", "fail")]
#[case::unknown_passes(state(passing(without_evidence(None))), 200, "Unknown", "pass")]
#[case::unconfirmed_passes(blind(passing(one(StateName::Closed))), 200, "Unknown", "pass")]
#[case::half_open_does_not_pass(
    state(passing(one(StateName::HalfOpen))),
    403,
    "HalfOpen",
    "unknown"
)]
#[case::before_what_was_persisted_is_known(state(View { synced: false, ..passing(one(StateName::Closed)) }), 424, "Unknown", "unknown")]
#[case::no_policy(state(View { synced: true, ..View::default() }), 424, "Unknown", "unknown")]
#[tokio::test]
async fn each_state_has_its_status_natively_and_its_word_for_argo(
    #[case] state: ServeState,
    #[case] status: u16,
    #[case] name: &str,
    #[case] word: &str,
) {
    let native = get(&state, "/v1/gate/shop/checkout").await;
    assert_eq!(native.status.as_u16(), status, "{native:?}");
    assert_eq!(native.json()["state"], name);
    assert_eq!(native.json()["verdict"], word);
    assert_eq!(native.json()["passes"], status == 200);

    let argo = get(&state, "/argo/v1/verdict?namespace=shop&policy=checkout").await;
    assert_eq!(
        argo.status,
        StatusCode::OK,
        "Argo counts other statuses as errors"
    );
    assert_eq!(argo.json()["state"], name);
    assert_eq!(argo.json()["verdict"], word);
    assert_eq!(argo.json()["reason"], native.json()["reason"]);
}

/// The table of `docs/gates.md`: hold, count, rollback, notice.
#[rstest]
#[case::closed(state(one(StateName::Closed)), [200, 200, 403, 200])]
#[case::open(state(one(StateName::Open)), [403, 403, 200, 200])]
#[case::forced_open(state(overridden(StateName::Closed, Forced::Open)), [403, 403, 200, 200])]
#[case::half_open(state(one(StateName::HalfOpen)), [403, 200, 403, 200])]
#[case::unknown(blind(one(StateName::Closed)), [403, 200, 403, 200])]
#[case::without_evidence(state(without_evidence(None)), [403, 200, 403, 200])]
#[case::not_restored_yet(state(unsynced()), [403, 200, 403, 200])]
#[case::unknown_passes(state(passing(without_evidence(None))), [200, 200, 403, 200])]
#[case::open_and_unconfirmed(blind(one(StateName::Open)), [403, 403, 200, 200])]
#[case::forced_closed(state(overridden(StateName::Open, Forced::Closed)), [200, 200, 403, 200])]
#[case::mode_observe(state(observed(StateName::Open)), [200, 200, 403, 200])]
#[case::no_policy(state(View { synced: true, ..View::default() }), [400, 400, 400, 200])]
#[tokio::test]
async fn each_state_has_its_answer_at_each_of_flaggers_hooks(
    #[case] state: ServeState,
    #[case] expected: [u16; 4],
) {
    let [hold, count, rollback, notice] = expected;
    for (hook, expected) in [
        ("confirm-rollout", hold),
        ("confirm-traffic-increase", hold),
        ("confirm-promotion", hold),
        ("pre-rollout", count),
        ("rollout", count),
        ("rollback", rollback),
        ("post-rollout", notice),
        ("event", notice),
        ("rollback/", rollback),
    ] {
        let answer = post(&state, &format!("/flagger/v1/{hook}"), CALL).await;
        assert_eq!(answer.status.as_u16(), expected, "{hook}: {answer:?}");
        assert_eq!(answer.body.lines().count(), 1, "the reason is one line");
        assert_eq!(answer.body.trim(), answer.body, "and nothing besides");
    }
}

#[rstest]
#[case::in_the_canarys_namespace(r#"{"policy":"checkout"}"#, "", 403)]
#[case::in_a_named_namespace(r#"{"policy":"shop/checkout"}"#, "", 403)]
#[case::in_another_namespace(r#"{"policy":"other/checkout"}"#, "", 400)]
#[case::several_objects(r#"{"policy":"checkout","objects":"us-1, eu-1"}"#, "", 403)]
#[case::several_closed_objects(r#"{"policy":"checkout","objects":"us-1,us-1"}"#, "", 200)]
#[case::objects_by_label(r#"{"policy":"checkout","selector":"region=us"}"#, "", 200)]
#[case::an_open_object(r#"{"policy":"checkout","object":"eu-1"}"#, "", 403)]
#[case::a_closed_object(r#"{"policy":"checkout","object":"us-1"}"#, "", 200)]
#[case::by_the_url("{}", "?policy=checkout&object=us-1", 200)]
#[case::without_metadata("null", "?policy=shop/checkout&object=eu-1", 403)]
#[case::metadata_before_url(r#"{"object":"us-1"}"#, "?policy=checkout&object=eu-1", 200)]
#[tokio::test]
async fn flagger_names_a_policy_in_metadata_or_in_the_url(
    #[case] metadata: &str,
    #[case] parameters: &str,
    #[case] expected: u16,
) {
    let state = state(two());
    let body = format!(
        r#"{{"name":"c","namespace":"shop","phase":"Progressing","checksum":"1","metadata":{metadata}}}"#
    );
    let uri = format!("/flagger/v1/confirm-rollout{parameters}");
    let answer = post(&state, &uri, body).await;
    assert_eq!(answer.status.as_u16(), expected, "{answer:?}");
}

#[rstest]
#[case::no_json("/flagger/v1/rollout", "phase=Progressing", "the body can't be read")]
#[case::no_namespace("/flagger/v1/rollout", r#"{"name":"c"}"#, "missing field `namespace`")]
#[case::metadata_of_numbers(
    "/flagger/v1/event",
    r#"{"name":"c","namespace":"s","metadata":{"a":1}}"#,
    "expected a string"
)]
#[case::no_policy(
    "/flagger/v1/rollback",
    r#"{"name":"c","namespace":"s"}"#,
    "`metadata.policy` is missing"
)]
#[case::misspelled(
    "/flagger/v1/rollout?objct=a",
    CALL,
    "\"objct\" can't be asked: did you mean `object`?"
)]
#[case::misspelled_in_metadata(
    "/flagger/v1/confirm-rollout",
    r#"{"name":"c","namespace":"shop","metadata":{"polcy":"checkout"}}"#,
    "did you mean `policy`?"
)]
#[case::misspelled_where_nothing_hangs_on_it(
    "/flagger/v1/post-rollout",
    r#"{"name":"c","namespace":"shop","metadata":{"polcy":"checkout"}}"#,
    "did you mean `policy`?"
)]
#[case::of_no_such_policy(
    "/flagger/v1/confirm-rollout",
    r#"{"name":"c","namespace":"shop","metadata":{"policy":"chekcout"}}"#,
    "there is no such policy; did you mean \"checkout\"?"
)]
#[case::of_no_such_object(
    "/flagger/v1/rollback",
    r#"{"name":"c","namespace":"shop","metadata":{"policy":"checkout","object":"eu1"}}"#,
    "no circuit for the object \"eu1\"; did you mean \"eu-1\"?"
)]
#[case::by_no_such_condition(
    "/flagger/v1/rollback",
    r#"{"name":"c","namespace":"shop","metadata":{"policy":"checkout","condition":"network-latencies"}}"#,
    "did you mean \"network-latency\"?"
)]
#[case::no_selector(
    "/flagger/v1/rollout",
    r#"{"name":"c","namespace":"shop","metadata":{"policy":"checkout","selector":"tier in (gold)"}}"#,
    "`selector` can't be \"tier in (gold)\""
)]
#[tokio::test]
async fn a_malformed_call_is_told_what_is_wrong_and_never_rolls_back(
    #[case] uri: &str,
    #[case] body: &'static str,
    #[case] message: &str,
) {
    let answer = post(&state(one(StateName::Open)), uri, body).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.body.contains(message), "{}", answer.body);
}

#[tokio::test]
async fn what_flagger_itself_adds_to_an_event_is_no_mistake() {
    let body = r#"{"name":"c","namespace":"shop","phase":"Progressing","checksum":"1","metadata":{"eventMessage":"New revision","eventType":"Normal","timestamp":"1795356300000"}}"#;
    let answer = post(&state(one(StateName::Closed)), "/flagger/v1/event", body).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

#[rstest]
#[case::no_policy("namespace=shop", "`policy` is missing")]
#[case::empty_namespace("namespace=&policy=checkout", "`namespace` is missing")]
#[case::misspelled(
    "namespace=shop&policy=checkout&resuorce=a",
    "did you mean `resource`?"
)]
#[case::no_such_policy("namespace=shop&policy=chekcout", "did you mean \"checkout\"?")]
#[case::no_such_object("namespace=shop&policy=checkout&object=eu1", "did you mean \"eu-1\"?")]
#[case::no_moment(
    "namespace=shop&policy=checkout&since=yesterday",
    "give a moment in RFC 3339"
)]
#[tokio::test]
async fn to_argo_a_mistake_is_unknown_with_its_reason_whatever_the_mode(
    #[case] asked: &str,
    #[case] message: &str,
) {
    for made in [one(StateName::Closed), observed(StateName::Closed)] {
        let state = state(made);
        let path = format!("/argo/v1/verdict?{asked}");
        for answer in [get(&state, &path).await, post(&state, &path, "").await] {
            assert_eq!(answer.status, StatusCode::OK);
            let answer = answer.json();
            assert_eq!(
                (&answer["verdict"], &answer["mistake"]),
                (&json!("unknown"), &json!(true))
            );
            let reason = answer["reason"].as_str().unwrap();
            assert!(reason.contains(message), "{reason}");
        }
    }
}

/// What a caller leaves in the queue of notices.
async fn notice_of(made: View, path: &str, body: &'static str) -> Notice {
    let mut state = state(made);
    let (notices, mut queue) = Notices::open(Counter::default());
    state.notices = notices;
    post(&state, path, body).await;
    queue.recv().await.unwrap()
}

#[rstest]
#[case::key(
    "/flagger/v1/rollback",
    r#"{"name":"c","namespace":"shop","metadata":{"policy":"checkout","objct":"eu-1"}}"#,
    "Canary"
)]
#[case::of_another_namespace(
    "/flagger/v1/confirm-rollout",
    r#"{"name":"c","namespace":"release","metadata":{"policy":"shop/checkout","objct":"eu-1"}}"#,
    "Canary"
)]
#[case::selector(
    "/flagger/v1/rollout?policy=checkout",
    r#"{"name":"c","namespace":"shop","metadata":{"selector":"tier in (gold)"}}"#,
    "Canary"
)]
#[case::parameter(
    "/argo/v1/verdict?objekt=a&namespace=shop&policy=checkout&rollout=c",
    "",
    "Rollout"
)]
#[case::moment(
    "/argo/v1/verdict?namespace=shop&policy=checkout&since=yesterday&rollout=c",
    "",
    "Rollout"
)]
#[tokio::test]
async fn a_mistake_beside_a_policy_is_reported_about_it_and_its_caller(
    #[case] path: &str,
    #[case] body: &'static str,
    #[case] kind: &str,
) {
    let notice = notice_of(one(StateName::Open), path, body).await;
    assert_eq!(notice.answer, Answer::Mistake);
    assert_eq!(
        (notice.namespace.as_str(), notice.policy.as_deref()),
        ("shop", Some("checkout"))
    );
    let asker = notice.asker.unwrap();
    assert_eq!((asker.kind, asker.name.as_str()), (kind, "c"));
}

#[tokio::test]
async fn our_own_form_refuses_a_parameter_that_it_does_not_know() {
    let state = state(one(StateName::Closed));
    for (asked, message) in [
        ("objct=a", "did you mean `object`?"),
        ("wait=1h", "`wait` can't be \"1h\""),
    ] {
        let answer = get(&state, &format!("/v1/gate/shop/checkout?{asked}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.body.contains(message), "{}", answer.body);
    }
}

#[tokio::test]
async fn argo_is_answered_with_all_its_fields_and_the_standing_value() {
    let state = state(View::default());
    let mut slow = rule("network-latency", 312.0, 3);
    slow.arrived = state.clock.now().mono;
    let open = circuit(StateName::Open).seeing([rule("error-rate", 0.01, 0), slow]);
    state.view.store(view(policy([("eu-1", open)])).into());
    let asked = "/argo/v1/verdict?namespace=shop&policy=checkout&resource=eu-1";
    let mut answer = get(&state, asked).await.json();
    answer["reason"] = Json::Null;
    assert_eq!(
        answer,
        json!({
            "verdict": "fail", "state": "Open", "value": 312.0, "ageSeconds": 0, "streak": 3,
            "reason": null, "tripId": "0000000000000abc", "mistake": false,
            "tripped": {"id": "0000000000000abc", "at": "1970-01-01T00:00:01Z"},
            "since": "1970-01-01T00:00:01Z",
            "circuits": {"total": 1, "open": 1, "halfOpen": 0, "unknown": 0},
        })
    );
    let other = get(&state, &format!("{asked}&condition=error-rate"))
        .await
        .json();
    assert_eq!(other["value"], 0.01);
    assert_eq!(other["state"], "Open", "the state is the circuit's");
}

#[tokio::test]
async fn a_trip_after_since_fails_though_the_circuit_is_closed_again() {
    let open = circuit(StateName::Open);
    let closed =
        circuit(StateName::Closed).saying(|outage| outage.tripped.clone_from(&open.tripped));
    let state = state(view(policy([("eu-1", closed)])));
    let ask = async |since: &str| {
        let asked = format!("/argo/v1/verdict?namespace=shop&policy=checkout&since={since}");
        get(&state, &asked).await.json()
    };
    assert_eq!(ask("1970-01-01T00:00:01Z").await["verdict"], "pass");
    let failed = ask("1970-01-01T01:00:00%2B01:00").await;
    assert_eq!(
        (&failed["verdict"], &failed["state"]),
        (&json!("fail"), &json!("Closed"))
    );
    assert!(
        failed["reason"]
            .as_str()
            .unwrap()
            .contains("it tripped after `since`")
    );
    let native = get(&state, "/v1/gate/shop/checkout?since=1970-01-01T00:00:00Z").await;
    assert_eq!(native.status, StatusCode::FORBIDDEN);
}

#[rstest]
#[case(f64::NAN)]
#[case(f64::INFINITY)]
#[tokio::test]
async fn a_value_that_json_has_not_is_null(#[case] number: f64) {
    let closed = circuit(StateName::Closed).seeing([rule("network-latency", number, 0)]);
    let state = state(view(policy([("eu-1", closed)])));
    let answer = get(&state, "/argo/v1/verdict?namespace=shop&policy=checkout").await;
    assert_eq!(answer.json()["value"], Json::Null);
}

#[tokio::test]
async fn whoever_accepts_text_gets_the_reason_alone() {
    use axum::body::Body;
    use axum::http::Request;

    use crate::serve::fixture::ask;
    use crate::serve::server::router;

    let request = Request::get("/v1/gate/shop/checkout")
        .header("accept", "text/plain")
        .body(Body::empty())
        .unwrap();
    let answer = ask(router(state(one(StateName::Open))), request).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.content_type.starts_with("text/plain"));
    assert!(
        answer
            .body
            .starts_with("CircuitPolicy \"shop/checkout\": Storefront \"eu-1\" is Open")
    );
    assert_eq!(answer.body.lines().count(), 1);
}

#[tokio::test]
async fn a_body_past_64_kib_is_refused_before_it_is_read_as_json() {
    let answer = post(
        &state(one(StateName::Closed)),
        "/flagger/v1/event",
        vec![b' '; 70_000],
    )
    .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.body.contains("more than 64 KiB"), "{}", answer.body);
}

/// A view that comes while a caller waits.
fn changes_to(state: &mut ServeState, next: View) {
    let (changed, views) = tokio::sync::watch::channel(());
    state.waiters = Waiters::new(views);
    let view = state.view.clone();
    tokio::spawn(async move {
        let later = tokio::time::Instant::now() + Duration::from_secs(20);
        tokio::time::interval_at(later, Duration::from_secs(20))
            .tick()
            .await;
        view.store(next.into());
        changed.send_replace(());
    });
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_waits_is_answered_as_soon_as_the_gate_passes() {
    let mut state = state(one(StateName::Open));
    changes_to(&mut state, one(StateName::Closed));
    let begun = tokio::time::Instant::now();
    let early = get(&state, "/v1/gate/shop/checkout?wait=5s").await;
    assert_eq!((early.status.as_u16(), begun.elapsed().as_secs()), (403, 5));
    let passed = get(&state, "/v1/gate/shop/checkout?wait=60s").await;
    assert_eq!(passed.status, StatusCode::OK);
    assert!(
        begun.elapsed() < Duration::from_secs(22),
        "{:?}",
        begun.elapsed()
    );
    let mistake = get(&state, "/v1/gate/shop/chekcout?wait=60s").await;
    assert_eq!(mistake.status, StatusCode::FAILED_DEPENDENCY);
    assert!(
        begun.elapsed() < Duration::from_secs(22),
        "a mistake passes never"
    );
}

#[tokio::test(start_paused = true)]
async fn past_the_bound_of_waiters_an_answer_is_given_at_once() {
    let state = state(one(StateName::Open));
    let waiting = (0..MOST_WAITERS).map(|_| state.waiters.enter().unwrap());
    let waiting: Vec<_> = waiting.collect();
    let begun = tokio::time::Instant::now();
    let answer = get(&state, "/v1/gate/shop/checkout?wait=60s").await;
    assert_eq!(
        (answer.status.as_u16(), begun.elapsed().as_secs()),
        (403, 0)
    );
    assert_eq!(state.waiters.count(), MOST_WAITERS);
    drop(waiting);
    assert_eq!(state.waiters.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn each_change_of_the_answer_is_an_event_of_its_own() {
    use axum::body::Body;
    use axum::http::Request;
    use futures::StreamExt as _;
    use tower::ServiceExt as _;

    let mut state = state(one(StateName::Open));
    changes_to(&mut state, one(StateName::Closed));
    let request = Request::get("/v1/gate/shop/checkout")
        .header("accept", "text/event-stream")
        .body(Body::empty())
        .unwrap();
    let answer = crate::serve::server::router(state).oneshot(request).await;
    let mut pieces = answer.unwrap().into_body().into_data_stream();
    let mut states = Vec::new();
    while states.len() < 2 {
        let piece = pieces.next().await.unwrap().unwrap();
        let piece = String::from_utf8(piece.to_vec()).unwrap();
        let data = piece.lines().find_map(|line| line.strip_prefix("data: "));
        states
            .extend(data.map(|data| serde_json::from_str::<Json>(data).unwrap()["state"].clone()));
    }
    assert_eq!(states, ["Open", "Closed"]);
}
