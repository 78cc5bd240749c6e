//! Who is let in, and what everybody else is answered.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use rstest::rstest;
use tower::ServiceExt as _;

use crate::breaker::circuit::StateName;
use crate::breaker::time::Mono;
use crate::runtime::metrics::Metrics;
use crate::serve::access::{Group, MOST_CALLERS, Pace, Peer, Proof, Tokens};
use crate::serve::fixture::{circuit, policy, state, view};
use crate::serve::server::router;
use crate::serve::state::ServeState;

const TOKEN: &str = "0123456789abcdef";

/// A state in which these groups ask for tokens, each for its own.
fn guarded(groups: &[Group]) -> ServeState {
    let mut tokens = Tokens::default();
    for group in groups {
        tokens
            .give(
                (*group, Proof::Token),
                &format!("old-{TOKEN}\n{}-{TOKEN}\n", group.name()),
            )
            .unwrap();
    }
    let state = state(view(policy([("eu-1", circuit(StateName::Closed))])));
    state.access.tokens.store(Arc::new(tokens));
    state
}

async fn ask(state: &ServeState, path: &str, authorization: Option<&str>, peer: &str) -> Response {
    ask_as(state, path, authorization, Peer::at(peer.parse().unwrap())).await
}

async fn ask_as(
    state: &ServeState,
    path: &str,
    authorization: Option<&str>,
    peer: Peer,
) -> Response {
    let mut request = Request::get(path);
    if let Some(value) = authorization {
        request = request.header(header::AUTHORIZATION, value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(peer);
    router(state.clone()).oneshot(request).await.unwrap()
}

#[rstest]
#[case("/healthz", Group::Health)]
#[case("/readyz/", Group::Health)]
#[case("/metrics", Group::Metrics)]
#[case("/v1/gate/shop/checkout", Group::Gate)]
#[case("/argo/v1/verdict", Group::Gate)]
#[case("/flagger/v1/rollout", Group::Gate)]
#[case("/v1/alertmanager/", Group::Alerts)]
#[case("/", Group::Page)]
#[case("/v1/circuits", Group::Page)]
#[case("/nothing", Group::Page)]
fn each_path_is_of_a_group(#[case] path: &str, #[case] group: Group) {
    assert_eq!(Group::of(path), group);
}

#[rstest]
#[case::nothing(None, false)]
#[case::its_own(Some("Bearer page-0123456789abcdef"), true)]
#[case::the_one_before(Some("bearer old-0123456789abcdef"), true)]
#[case::as_a_password(Some("Basic YW55Ym9keTpwYWdlLTAxMjM0NTY3ODlhYmNkZWY="), true)]
#[case::another_group_s(Some("Bearer gate-0123456789abcdef"), false)]
#[case::the_beginning(Some("Bearer page-0123456789abcde"), false)]
#[case::more_than_it(Some("Bearer page-0123456789abcdef0"), false)]
#[case::no_base64(Some("Basic !"), false)]
#[case::another_scheme(Some("Digest page-0123456789abcdef"), false)]
#[tokio::test]
async fn a_group_with_tokens_asks_for_one_of_its_own(
    #[case] authorization: Option<&str>,
    #[case] admitted: bool,
) {
    let state = guarded(&[Group::Page, Group::Gate]);
    let answer = ask(&state, "/v1/circuits", authorization, "10.0.0.1").await;
    let expected = if admitted {
        StatusCode::OK
    } else {
        StatusCode::UNAUTHORIZED
    };
    assert_eq!(answer.status(), expected);
    assert_eq!(
        answer.headers().contains_key(header::WWW_AUTHENTICATE),
        !admitted
    );
}

#[rstest]
#[case::its_own("b.example.com", None, StatusCode::OK)]
#[case::another("c.example.com", None, StatusCode::UNAUTHORIZED)]
#[case::a_part("example.com", None, StatusCode::UNAUTHORIZED)]
#[case::a_token_beside("c.example.com", Some("Bearer page-0123456789abcdef"), StatusCode::OK)]
#[case::a_name_as_a_token(
    "c.example.com",
    Some("Bearer long.name.example.com"),
    StatusCode::UNAUTHORIZED
)]
#[tokio::test]
async fn a_group_with_names_takes_a_certificate_with_one_of_them_or_its_token(
    #[case] name: &str,
    #[case] authorization: Option<&str>,
    #[case] expected: StatusCode,
) {
    let state = guarded(&[Group::Page]);
    let mut tokens = Tokens::clone(&state.access.tokens.load());
    let names = "a.example.com\nb.example.com\nlong.name.example.com\n";
    tokens.give((Group::Page, Proof::Name), names).unwrap();
    state.access.tokens.store(Arc::new(tokens));
    let peer = Peer {
        address: "10.0.0.1".parse().unwrap(),
        names: [name.to_owned()].into(),
    };
    let answer = ask_as(&state, "/v1/circuits", authorization, peer).await;
    assert_eq!(answer.status(), expected);
}

#[tokio::test]
async fn a_browser_is_asked_for_a_password_only_where_one_is_of_use() {
    let state = guarded(&[Group::Page]);
    let mut tokens = Tokens::clone(&state.access.tokens.load());
    let gate = (Group::Gate, Proof::Name);
    tokens.give(gate, "a.example.com\n").unwrap();
    state.access.tokens.store(Arc::new(tokens));
    for (path, scheme) in [("/", "Basic"), ("/v1/gate/shop/checkout", "Bearer")] {
        let answer = ask(&state, path, None, "10.0.0.1").await;
        let asks = answer.headers()[header::WWW_AUTHENTICATE].to_str().unwrap();
        assert!(asks.starts_with(scheme), "{path}: {asks}");
    }
}

#[tokio::test]
async fn what_asks_for_no_token_is_open_but_not_what_can_stop_traffic() {
    let state = guarded(&[]);
    for path in ["/healthz", "/metrics", "/", "/v1/gate/shop/checkout"] {
        let answer = ask(&state, path, None, "10.0.0.1").await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
    let answer = ask(&state, "/v1/alertmanager", Some("Bearer x"), "10.0.0.1").await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let state = guarded(&Group::GUARDED);
    assert_eq!(
        ask(&state, "/readyz", None, "10.0.0.1").await.status(),
        StatusCode::OK
    );
}

#[rstest]
#[case::none(Proof::Token, "\n\n", "no token")]
#[case::short(Proof::Token, "0123456789abcde", "less than 16 characters")]
#[case::nobody(Proof::Name, " \n", "no name")]
fn what_protects_nothing_is_refused(#[case] proof: Proof, #[case] text: &str, #[case] why: &str) {
    let refused = Tokens::default().give((Group::Gate, proof), text);
    let refused = refused.unwrap_err();
    assert!(refused.contains(why), "{refused}");
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_when_to_come_back() {
    let mut state = guarded(&[]);
    state.access.pace = Pace::new(1, &Metrics::new());
    for _ in 0..5 {
        let answer = ask(&state, "/v1/gate/shop/checkout", None, "10.0.0.1").await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let answer = ask(&state, "/v1/gate/shop/checkout", None, "10.0.0.1").await;
    assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers()[header::RETRY_AFTER], "1");
    // Alertmanager sends again what is answered with 5xx only.
    let answer = ask(&state, "/v1/alertmanager", None, "10.0.0.1").await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    for (path, peer) in [
        ("/healthz", "10.0.0.1"),
        ("/v1/circuits", "10.0.0.2"),
        ("/v1/circuits", "127.0.0.6"),
    ] {
        assert_eq!(
            ask(&state, path, None, peer).await.status(),
            StatusCode::OK,
            "{peer}"
        );
    }
}

#[tokio::test]
async fn a_bucket_fills_by_the_second_and_no_further_than_its_burst() {
    let pace = Pace::new(10, &Metrics::new());
    let peer: IpAddr = "2001:db8::1".parse().unwrap();
    let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
    for _ in 0..25 {
        assert!(pace.admit(peer, Mono(0)).await);
        assert!(pace.admit(neighbour, Mono(0)).await);
    }
    assert!(!pace.admit(peer, Mono(0)).await);
    assert!(!pace.admit(peer, Mono(99)).await);
    assert!(pace.admit(peer, Mono(200)).await);
    for _ in 0..50 {
        assert!(pace.admit(peer, Mono(1_000_000)).await);
    }
    assert!(!pace.admit(peer, Mono(1_000_000)).await);
}

#[tokio::test]
async fn more_callers_than_are_told_apart_share_a_bucket() {
    let metrics = Metrics::new();
    let pace = Pace::new(1, &metrics);
    let address =
        |number: usize| IpAddr::from(u32::try_from(0x0a00_0000 + number).unwrap().to_be_bytes());
    for number in 0..MOST_CALLERS {
        assert!(pace.admit(address(number), Mono(0)).await);
    }
    for number in 0..5 {
        assert!(pace.admit(address(MOST_CALLERS + number), Mono(0)).await);
    }
    assert!(!pace.admit(address(MOST_CALLERS + 5), Mono(0)).await);
    assert!(
        metrics
            .encode()
            .contains("fusegate_bounds_met_total{bound=\"http_callers\"} 6")
    );
    // The others have not asked for a while.
    assert!(pace.admit(address(MOST_CALLERS + 5), Mono(10_000)).await);
}
