//! What Alertmanager is answered, and what is ordered on its word.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use bytes::Bytes;
use futures::FutureExt as _;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::breaker::circuit::StateName;
use crate::serve::access::{Group, Proof, Tokens};
use crate::serve::alertmanager::{Order, Ungiven};
use crate::serve::fixture::{Answer, ask, circuit, policy, state, view};
use crate::serve::server::router;
use crate::serve::state::ServeState;
use crate::wire::view::PolicyView;

const TOKEN: &str = "0123456789abcdef";

/// A policy that two alerts open, with one circuit.
fn opened_by_alerts() -> PolicyView {
    let spec = json!({
        "contract": "storefronts.shop.example.com",
        "selector": {},
        "mode": "Enforce",
        "trip": {"when": [{"condition": "network-latency", "above": "250ms"}]},
        "openOn": [
            {"alert": "PaymentsDown", "lasts": "30m"},
            {"alert": "ErrorRate", "object": "app", "lasts": "10m"},
        ],
    });
    PolicyView {
        spec: Some(Arc::new(serde_json::from_value(spec).unwrap())),
        ..policy([("eu-1", circuit(StateName::Closed))])
    }
}

/// A desk that hands on what is ordered, and lists one alert more.
fn desk(answer: Result<(), Ungiven>) -> (ServeState, mpsc::UnboundedReceiver<Order>) {
    let (sender, orders) = mpsc::unbounded_channel();
    let mut state = state(view(opened_by_alerts()));
    let mut tokens = Tokens::default();
    tokens.give((Group::Alerts, Proof::Token), TOKEN).unwrap();
    state.access.tokens.store(Arc::new(tokens));
    let now = jiff::Timestamp::from_millisecond(state.clock.now().wall.0).unwrap();
    state.desk.give = Arc::new(move |order| {
        sender.send(order).unwrap();
        std::future::ready(answer.clone()).boxed()
    });
    state.desk.list = Arc::new(move |receiver| {
        assert_eq!(receiver, "fusegate");
        let all = json!([{
            "labels": {"alertname": "PaymentsDown"}, "annotations": {}, "fingerprint": "f9",
            "startsAt": now.to_string(), "status": {"state": "active"},
        }]);
        std::future::ready(Ok(Bytes::from(all.to_string()))).boxed()
    });
    (state, orders)
}

/// An alert that began so many minutes ago.
fn alert(state: &ServeState, status: &str, labels: &Value, minutes: i64) -> Value {
    let at = state.clock.now().wall.0 - minutes * 60_000;
    let at = jiff::Timestamp::from_millisecond(at).unwrap();
    json!({
        "status": status, "labels": labels, "annotations": {"summary": "payments\n are down"},
        "startsAt": at.to_string(), "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "f1", "later": 1,
    })
}

async fn send(state: &ServeState, truncated: u64, alerts: &[Value]) -> Answer {
    let notification = json!({
        "version": "4", "groupKey": "{}:{}", "truncatedAlerts": truncated, "status": "firing",
        "receiver": "fusegate", "alerts": alerts, "notification_reason": "new",
    });
    post(state, notification.to_string()).await
}

async fn post(state: &ServeState, body: String) -> Answer {
    let request = Request::post("/v1/alertmanager")
        .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
        .body(Body::from(body));
    ask(router(state.clone()), request.unwrap()).await
}

#[tokio::test]
async fn an_alert_forces_open_once_and_its_end_orders_nothing() {
    let (state, mut orders) = desk(Ok(()));
    let labels = json!({"alertname": "PaymentsDown", "namespace": "shop"});
    let firing = alert(&state, "firing", &labels, 10);
    let answer = send(&state, 0, std::slice::from_ref(&firing)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let order = orders.try_recv().unwrap();
    assert_eq!(
        (&*order.namespace, &*order.policy, order.object),
        ("shop", "checkout", None)
    );
    assert_eq!(
        order.reason,
        "alert PaymentsDown fires: payments are down (by alertmanager)"
    );
    let lasts = order.until.0 - state.clock.now().wall.0;
    assert!((19 * 60_000..=20 * 60_000).contains(&lasts), "{lasts}");
    // Told again, by another Alertmanager or hours later.
    let answer = send(&state, 0, &[firing]).await;
    assert!(
        answer.body.contains("as was ordered before"),
        "{}",
        answer.body
    );
    let resolved = alert(&state, "resolved", &labels, 10);
    assert_eq!(send(&state, 0, &[resolved]).await.status, StatusCode::OK);
    assert!(orders.try_recv().is_err());
    // It fires anew.
    send(&state, 0, &[alert(&state, "firing", &labels, 1)]).await;
    assert_ne!(orders.try_recv().unwrap().name, order.name);
}

#[rstest]
#[case::nobody_names_it(json!({"alertname": "DiskFull"}), 0, "no policy is opened")]
#[case::of_another_namespace(json!({"alertname": "PaymentsDown", "namespace": "other"}), 0, "no policy is opened")]
#[case::over(json!({"alertname": "PaymentsDown"}), 31, "over, 30m after the alert's start")]
#[case::without_the_label(json!({"alertname": "ErrorRate"}), 0, "has no label app")]
#[case::of_no_circuit(json!({"alertname": "ErrorRate", "app": "us-1"}), 0, "no circuit of the object that label app names")]
#[tokio::test]
async fn what_orders_nothing_is_answered_with_why(
    #[case] labels: Value,
    #[case] minutes: i64,
    #[case] why: &str,
) {
    let (state, mut orders) = desk(Ok(()));
    let answer = send(&state, 0, &[alert(&state, "firing", &labels, minutes)]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.contains(why), "{}", answer.body);
    assert!(orders.try_recv().is_err());
}

#[tokio::test]
async fn a_label_names_the_one_object() {
    let (state, mut orders) = desk(Ok(()));
    let labels = json!({"alertname": "ErrorRate", "app": "eu-1"});
    send(&state, 0, &[alert(&state, "firing", &labels, 0)]).await;
    assert_eq!(orders.try_recv().unwrap().object.as_deref(), Some("eu-1"));
}

#[tokio::test]
async fn what_a_notification_leaves_out_is_read_from_alertmanager() {
    let (mut state, mut orders) = desk(Ok(()));
    assert_eq!(send(&state, 1, &[]).await.status, StatusCode::OK);
    assert_eq!(&*orders.try_recv().unwrap().policy, "checkout");
    state.desk.list = Arc::new(|_| std::future::ready(Err("none is known".to_owned())).boxed());
    let answer = send(&state, 1, &[]).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.body.contains("none is known"), "{}", answer.body);
}

/// Alertmanager sends again what is answered with 5xx, and nothing else.
#[rstest]
#[case::a_store_that_is_away(Ungiven::Now("away".to_owned()), StatusCode::SERVICE_UNAVAILABLE)]
#[case::a_store_that_refuses(Ungiven::ForGood("never".to_owned()), StatusCode::UNPROCESSABLE_ENTITY)]
#[tokio::test]
async fn what_can_not_be_written_down_is_answered_with(
    #[case] ungiven: Ungiven,
    #[case] status: StatusCode,
) {
    let (state, mut orders) = desk(Err(ungiven));
    let firing = alert(&state, "firing", &json!({"alertname": "PaymentsDown"}), 0);
    assert_eq!(
        send(&state, 0, std::slice::from_ref(&firing)).await.status,
        status
    );
    orders.try_recv().unwrap();
    // It is tried again.
    send(&state, 0, &[firing]).await;
    orders.try_recv().unwrap();
}

#[rstest]
#[case::no_json("alerts", "no notification of Alertmanager's")]
#[case::another_version(r#"{"version": "5", "alerts": []}"#, "version \"5\" can't be read")]
#[case::no_start(
    r#"{"version": "4", "alerts": [{"status": "firing", "labels": {}, "fingerprint": "f"}]}"#,
    "startsAt"
)]
#[tokio::test]
async fn what_is_no_notification_is_not_sent_again(#[case] body: &'static str, #[case] why: &str) {
    let (state, _orders) = desk(Ok(()));
    let answer = post(&state, body.to_owned()).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.body.contains(why), "{}", answer.body);
}
