//! The webhook's port: what it answers over HTTP, and what it refuses.

use axum::http::{Method, Request};
use http_body_util::BodyExt as _;
use rstest::rstest;
use tower::ServiceExt as _;

use super::*;

fn reviewer() -> (Reviewer, mpsc::Receiver<Denial>) {
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(
            tokio_rustls::rustls::server::ResolvesServerCertUsingSni::new(),
        ));
    let identity = Identity {
        config: Arc::new(config),
        token: "secret".to_owned(),
    };
    let identity = Arc::new(ArcSwapOption::from_pointee(identity));
    Reviewer::open(
        SharedGuards::default(),
        identity,
        Clock::start(),
        Metrics::new(),
    )
}

async fn ask(reviewer: Reviewer, method: Method, path: &str, body: Body) -> (StatusCode, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .body(body)
        .unwrap();
    let response = router(reviewer).oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

const REVIEW: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE","resource":{"resource":"pods"}}}"#;

#[tokio::test]
async fn a_review_is_answered_as_json_and_counted() {
    let (reviewer, _denials) = reviewer();
    let metrics = reviewer.metrics.clone();
    let (status, body) = ask(
        reviewer,
        Method::POST,
        "/v1/review/secret/m",
        Body::from(REVIEW),
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains(r#""allowed":true"#), "{body}");
    let counted = r#"fusegate_admission_reviews_total{outcome="passed"} 1"#;
    assert!(metrics.encode().contains(counted), "{}", metrics.encode());
}

#[rstest]
#[case::junk(Method::POST, "/v1/review/secret/m", "junk", StatusCode::BAD_REQUEST)]
#[case::too_large(Method::POST, "/v1/review/secret/m", &" ".repeat(MOST_REVIEW + 1), StatusCode::BAD_REQUEST)]
#[case::forged(Method::POST, "/v1/review/guessed/m", REVIEW, StatusCode::FORBIDDEN)]
#[case::another_path(Method::POST, "/", REVIEW, StatusCode::NOT_FOUND)]
#[case::another_method(Method::GET, "/v1/review/secret/m", "", StatusCode::METHOD_NOT_ALLOWED)]
#[tokio::test]
async fn anything_else_is_refused(
    #[case] method: Method,
    #[case] path: &str,
    #[case] body: &str,
    #[case] expected: StatusCode,
) {
    let (reviewer, _denials) = reviewer();
    let (status, _) = ask(reviewer, method, path, Body::from(body.to_owned())).await;
    assert_eq!(status, expected);
}

#[tokio::test(start_paused = true)]
async fn where_too_much_is_being_read_a_review_is_refused() {
    let (reviewer, _denials) = reviewer();
    let all =
        Arc::clone(&reviewer.bytes).try_acquire_many_owned(u32::try_from(MOST_BYTES).unwrap());
    let (status, _) = ask(
        reviewer.clone(),
        Method::POST,
        "/v1/review/secret/m",
        Body::from(REVIEW),
    )
    .await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    drop(all);
    let (status, _) = ask(
        reviewer,
        Method::POST,
        "/v1/review/secret/m",
        Body::from(REVIEW),
    )
    .await;
    assert_eq!(status, StatusCode::OK);
}
