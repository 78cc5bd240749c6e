//! Every state at every endpoint, through the real router.

use axum::http::StatusCode;
use rstest::rstest;
use serde_json::{Value as Json, json};

use crate::breaker::circuit::{Forced, StateName};
use crate::breaker::sample::Value;
use crate::serve::fixture::{circuit, forced, get, policy, post, rule, state, unconfirmed, view};
use crate::serve::state::ServeState;
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
#[case::half_open(state(one(StateName::HalfOpen)), [403, 403, 403, 200])]
#[case::unknown(blind(one(StateName::Closed)), [403, 200, 403, 200])]
#[case::open_and_unconfirmed(blind(one(StateName::Open)), [403, 403, 200, 200])]
#[case::forced_closed(state(overridden(StateName::Open, Forced::Closed)), [200, 200, 403, 200])]
#[case::mode_observe(state(observed(StateName::Open)), [200, 200, 403, 200])]
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
    ] {
        let answer = post(&state, &format!("/flagger/v1/{hook}"), CALL).await;
        assert_eq!(answer.status.as_u16(), expected, "{hook}: {answer:?}");
        assert_eq!(answer.body.lines().count(), 1, "the reason is one line");
    }
}

#[rstest]
#[case::in_the_canarys_namespace(r#"{"policy":"checkout"}"#, "", 403)]
#[case::in_a_named_namespace(r#"{"policy":"shop/checkout"}"#, "", 403)]
#[case::in_another_namespace(r#"{"policy":"other/checkout"}"#, "", 403)]
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
    let state = state(view(policy([
        ("eu-1", circuit(StateName::Open)),
        ("us-1", circuit(StateName::Closed)),
    ])));
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
#[case::misspelled("/flagger/v1/rollout?objct=a", CALL, "unknown field `objct`")]
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

#[rstest]
#[case::no_policy("/argo/v1/verdict?namespace=shop", "`policy` is missing")]
#[case::empty_namespace(
    "/argo/v1/verdict?namespace=&policy=checkout",
    "`namespace` is missing"
)]
#[case::misspelled(
    "/argo/v1/verdict?namespace=shop&policy=checkout&resuorce=a",
    "unknown field `resuorce`"
)]
#[case::native_misspelled("/v1/gate/shop/checkout?objct=a", "unknown field `objct`")]
#[tokio::test]
async fn a_question_that_lacks_or_misspells_a_name_is_a_bad_request(
    #[case] uri: &str,
    #[case] message: &str,
) {
    let answer = get(&state(one(StateName::Closed)), uri).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.body.contains(message), "{}", answer.body);
}

#[tokio::test]
async fn argo_is_answered_with_its_seven_fields_and_the_standing_value() {
    let state = state(View::default());
    let mut open = circuit(StateName::Open);
    open.rules = vec![
        rule("error-rate", 0.01, 0),
        rule("network-latency", 312.0, 3),
    ];
    open.rules[1].arrived = Some(state.clock.now().mono);
    state.view.store(view(policy([("eu-1", open)])).into());
    let asked = "/argo/v1/verdict?namespace=shop&policy=checkout&resource=eu-1";
    let mut answer = get(&state, asked).await.json();
    answer["reason"] = Json::Null;
    assert_eq!(
        answer,
        json!({
            "verdict": "fail", "state": "Open", "value": 312.0, "ageSeconds": 0, "streak": 3,
            "reason": null, "tripId": "0000000000000abc",
        })
    );
    let other = get(&state, &format!("{asked}&condition=error-rate"))
        .await
        .json();
    assert_eq!(other["value"], 0.01);
    assert_eq!(other["state"], "Open", "the state is the circuit's");
}

#[rstest]
#[case(f64::NAN)]
#[case(f64::INFINITY)]
#[tokio::test]
async fn a_value_that_json_has_not_is_null(#[case] number: f64) {
    let mut closed = circuit(StateName::Closed);
    closed.rules[0].value = Some(Value::Number(number));
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
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}
