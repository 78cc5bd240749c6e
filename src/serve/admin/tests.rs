//! Health, lists and index, through the real router.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use rstest::rstest;
use serde_json::json;

use super::index::ENDPOINTS;
use crate::breaker::circuit::{Forced, StateName};
use crate::breaker::time::Mono;
use crate::serve::fixture::{ask, circuit, forced, get, policy, post, state, view};
use crate::serve::server::router;
use crate::serve::state::{Heartbeat, ServeState};
use crate::wire::view::View;

fn two() -> ServeState {
    state(view(policy([
        ("eu-1", circuit(StateName::Open)),
        ("us-1", forced(StateName::Open, Forced::Closed)),
    ])))
}

#[tokio::test]
async fn a_stalled_engine_is_not_alive_but_says_how_long() {
    let mut state = two();
    assert_eq!(get(&state, "/healthz").await.status, StatusCode::OK);
    let now = state.clock.now().mono;
    state.heartbeat = Heartbeat::start(Mono(now.0 - 45_000));
    let answer = get(&state, "/healthz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        answer.body.contains("for 45 s (limit 30 s)"),
        "{}",
        answer.body
    );
    state.heartbeat.beat(now);
    assert_eq!(get(&state, "/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_replica_is_ready_once_it_has_listed_whether_or_not_it_leads() {
    let unsynced = get(&state(View::default()), "/readyz").await;
    assert_eq!(unsynced.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(unsynced.body.contains("have not been listed yet"));
    assert_eq!(get(&two(), "/readyz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn skipped_files_are_listed_on_request_and_do_not_make_a_replica_unready() {
    let mut state = two();
    state.skipped = Arc::new(|| vec!["a\n.yaml: line 3: a tab".to_owned(); 101]);
    assert_eq!(get(&state, "/readyz").await.body, "ok\n");
    let verbose = get(&state, "/readyz?verbose").await;
    assert_eq!(verbose.status, StatusCode::OK);
    let mut lines = verbose.body.lines();
    assert_eq!(lines.next(), Some("ok"));
    assert_eq!(lines.next(), Some("skipped: a\\n.yaml: line 3: a tab"));
    assert_eq!(lines.last(), Some("skipped: 1 more"));
}

#[tokio::test]
async fn metrics_count_every_answer_of_a_gate() {
    let state = two();
    for _ in 0..3 {
        get(&state, "/v1/gate/shop/checkout").await;
    }
    get(&state, "/argo/v1/verdict?namespace=shop&policy=none").await;
    let answer = get(&state, "/metrics").await;
    assert_eq!(
        answer.content_type,
        "text/plain; version=0.0.4; charset=utf-8"
    );
    for line in [
        r#"fusegate_gate_answers_total{form="native",state="Open"} 3"#,
        r#"fusegate_gate_answers_total{form="argo",state="Unknown"} 1"#,
        r#"fusegate_gate_answers_total{form="flagger",state="Closed"} 0"#,
        "fusegate_http_connections 0",
    ] {
        assert!(
            answer.body.lines().any(|each| each == line),
            "{line} in {}",
            answer.body
        );
    }
    let request = Request::get("/metrics").header("accept", "application/openmetrics-text");
    let open = ask(router(state), request.body(Body::empty()).unwrap()).await;
    assert_eq!(
        open.content_type,
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(open.body.ends_with("# EOF\n") && !answer.body.contains("# EOF"));
}

#[tokio::test]
async fn a_circuit_is_listed_with_what_is_enforced_and_what_the_evidence_says() {
    let mut page = get(&two(), "/v1/circuits").await.json();
    page["items"][0]["rules"][0]["ageSeconds"] = json!(null);
    assert_eq!(
        page["items"][0],
        json!({
            "namespace": "shop", "policy": "checkout",
            "group": "shop.example.com", "kind": "Storefront", "object": "eu-1", "uid": "0a1b",
            "state": "Open", "shadow": "Open", "mode": "Enforce", "override": null,
            "tripId": "0000000000000abc", "cause": "Breach",
            "since": "1970-01-01T00:00:01Z", "until": "1970-01-01T00:01:01Z",
            "admitPercent": 0, "armed": false, "latched": false, "suppressed": false, "inhibitedBy": null,
            "rules": [{
                "condition": "network-latency", "value": 312.0, "unit": "", "class": "Bad",
                "unknownReason": null, "streak": 3, "ageSeconds": null,
            }],
        })
    );
    assert_eq!(page["items"][1]["state"], "Closed");
    assert_eq!(page["items"][1]["shadow"], "Open");
    assert_eq!(page["items"][1]["override"], "ForcedClosed");
    assert_eq!(page.get("continue"), None, "this is the last page");
}

/// Three policies in two namespaces, with nine circuits between them.
fn nine() -> ServeState {
    let mut all = View {
        synced: true,
        ..View::default()
    };
    for (namespace, name) in [("pay", "cards"), ("shop", "basket"), ("shop", "checkout")] {
        let circuits = [
            ("a", StateName::Closed),
            ("b", StateName::Open),
            ("c", StateName::Closed),
        ];
        let policy = policy(circuits.map(|(object, state)| (object, circuit(state))));
        all.policies
            .insert((namespace.into(), name.into()), policy.into());
    }
    state(all)
}

fn names(items: &serde_json::Value) -> Vec<String> {
    let text = |item: &serde_json::Value, field: &str| item[field].as_str().unwrap().to_owned();
    let name = |item| {
        format!(
            "{}/{}/{}",
            text(item, "namespace"),
            text(item, "policy"),
            text(item, "object")
        )
    };
    items.as_array().unwrap().iter().map(name).collect()
}

#[rstest]
#[case::everything("", 9)]
#[case::a_namespace("&namespace=shop", 6)]
#[case::a_policy("&namespace=shop&policy=basket", 3)]
#[case::a_policy_in_any_namespace("&policy=cards", 3)]
#[case::a_state("&state=Open", 3)]
#[case::nothing("&namespace=nowhere", 0)]
#[tokio::test]
async fn pages_of_two_add_up_to_the_whole_list(#[case] filter: &str, #[case] total: usize) {
    let state = nine();
    let whole = names(
        &get(&state, &format!("/v1/circuits?limit=1000{filter}"))
            .await
            .json()["items"],
    );
    assert_eq!(whole.len(), total);
    let mut pieces = Vec::new();
    let mut next = String::new();
    loop {
        let page = get(&state, &format!("/v1/circuits?limit=2{filter}{next}"))
            .await
            .json();
        let items = names(&page["items"]);
        assert!(items.len() <= 2);
        pieces.extend(items);
        let Some(token) = page["continue"].as_str() else {
            break;
        };
        next = format!("&continue={token}");
    }
    assert_eq!(pieces, whole);
}

#[tokio::test]
async fn policies_are_listed_with_their_circuits_counted() {
    let page = get(&nine(), "/v1/policies?namespace=shop&limit=1")
        .await
        .json();
    assert_eq!(page["continue"], "shop/basket");
    assert_eq!(
        page["items"],
        json!([{
            "namespace": "shop", "name": "basket", "group": "shop.example.com", "kind": "Storefront",
            "mode": "Enforce", "accepted": true, "rejected": null,
            "circuits": {"total": 3, "open": 1, "halfOpen": 0},
        }])
    );
    let rest = get(&nine(), "/v1/policies?namespace=shop&continue=shop/basket")
        .await
        .json();
    assert_eq!(rest["items"][0]["name"], "checkout");
}

#[rstest]
#[case("/v1/circuits?limit=0", "give 1 to 1000")]
#[case("/v1/circuits?limit=1001", "give 1 to 1000")]
#[case("/v1/circuits?limit=many", "`limit`")]
#[case("/v1/circuits?state=open", "give Closed, Open, HalfOpen, Armed")]
#[case("/v1/circuits?continue=shop", "`continue`")]
#[case("/v1/policies?continue=a/b/c", "`continue`")]
#[case("/v1/policies?name=a", "unknown field `name`")]
#[tokio::test]
async fn a_list_that_is_asked_for_wrongly_says_what_may_be_asked(
    #[case] uri: &str,
    #[case] message: &str,
) {
    let answer = get(&two(), uri).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.body.contains(message), "{}", answer.body);
}

#[tokio::test]
async fn everything_in_the_index_is_answered_and_everything_else_points_to_it() {
    let state = two();
    assert_eq!(
        get(&state, "/").await.json()["endpoints"]
            .as_array()
            .unwrap()
            .len(),
        ENDPOINTS.len()
    );
    // The answer of this one has no end; the page's own tests ask it.
    let ended = ENDPOINTS
        .iter()
        .filter(|(_, path, _)| *path != "/v1/events");
    for (method, path, _) in ended {
        let path = *path;
        let answer = match *method {
            "GET" => get(&state, path).await,
            _ => post(&state, path, "").await,
        };
        assert!(!answer.body.contains("there is nothing at"), "{path}");
        assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    for (path, told) in [
        ("/flagger/v1/rolback", "did you mean /flagger/v1/rollback?"),
        ("/somewhere/else", "GET / lists what is answered"),
    ] {
        let answer = get(&state, path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert!(answer.body.contains(told), "{}", answer.body);
    }
    let answer = get(&state, "/flagger/v1/rollback/").await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(
        answer.body.contains("is not answered with GET"),
        "{}",
        answer.body
    );
    assert_eq!(get(&state, "/v1/policies/").await.status, StatusCode::OK);
}
