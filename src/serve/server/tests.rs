//! The server on a real socket: it answers, gives up on the slow, and ends when told.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::connection::HEAD_TIMEOUT;
use super::places::Places;
use super::serve_at;
use crate::serve::fixture::state;
use crate::serve::state::ServeState;
use crate::wire::view::View;

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

async fn running() -> Running {
    running_with(Places::new(1_024, 1), state(View::default())).await
}

async fn running_with(places: Places, state: ServeState) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve_at(places, (listener, None), state, shutdown.clone()));
    Running {
        address,
        shutdown,
        task,
    }
}

async fn say(address: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

async fn hear(mut stream: TcpStream) -> String {
    let mut heard = String::new();
    stream.read_to_string(&mut heard).await.unwrap();
    heard
}

#[tokio::test]
async fn it_answers_and_ends_when_told() {
    let server = running().await;
    let stream = say(
        server.address,
        "GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(hear(stream).await.starts_with("HTTP/1.1 200 OK"));
    let idle = say(server.address, "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n").await;
    server.shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_mins(1), server.task).await;
    ended.expect("it ends in time").unwrap();
    drop(idle);
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_finishes_its_head_is_let_go() {
    let server = running().await;
    for beginning in ["", "GET /healthz HTTP/1.1\r\nhost:"] {
        let begun = tokio::time::Instant::now();
        let stream = say(server.address, beginning).await;
        let heard = hear(stream).await;
        assert!(begun.elapsed() < HEAD_TIMEOUT * 2, "not by its age");
        assert!(!heard.contains("200 OK"), "{heard}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_sends_its_body_gets_408() {
    let server = running().await;
    let request = "POST /flagger/v1/rollout HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nconnection: close\r\n\r\n";
    let heard = hear(say(server.address, request).await).await;
    assert!(heard.starts_with("HTTP/1.1 408"), "{heard}");
}

#[tokio::test]
async fn a_head_past_16_kib_is_refused() {
    let server = running().await;
    let filler = "a".repeat(17 * 1024);
    let request = format!("GET /healthz HTTP/1.1\r\nhost: a\r\nx-filler: {filler}\r\n\r\n");
    let heard = hear(say(server.address, &request).await).await;
    assert!(heard.starts_with("HTTP/1.1 431"), "{heard}");
}

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
const GATE: &str = "GET /v1/gate/shop/checkout HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_mins(1), future).await;
    waited.unwrap_or_else(|_| panic!("{what}"))
}

/// Fills a server that has one place for everybody and one for metrics and health.
async fn full() -> (Running, TcpStream, ServeState) {
    let state = state(View::default());
    let server = running_with(Places::new(1, 1), state.clone()).await;
    let first = say(server.address, "GET /").await;
    let counted = async {
        while !(state.metrics)().contains("fusegate_http_connections 1") {
            tokio::task::yield_now().await;
        }
    };
    soon("the first is there", counted).await;
    (server, first, state)
}

#[tokio::test]
async fn past_the_bound_health_is_answered_and_that_it_was_met_is_counted() {
    let (server, first, state) = full().await;
    let heard = soon("it is answered", hear(say(server.address, HEALTH).await)).await;
    assert!(heard.starts_with("HTTP/1.1 200"), "{heard}");
    let met = "bounds_met_total{bound=\"http_connections\"} 1";
    assert!((state.metrics)().contains(met));
    drop(first);
}

#[tokio::test]
async fn past_the_bound_a_question_waits_for_a_place() {
    let (server, first, _state) = full().await;
    let asked = tokio::spawn(hear(say(server.address, GATE).await));
    tokio::task::yield_now().await;
    assert!(!asked.is_finished());
    drop(first);
    let heard = soon("it is answered", asked).await.unwrap();
    assert!(heard.starts_with("HTTP/1.1 424"), "{heard}");
}

#[tokio::test(start_paused = true)]
async fn past_the_bound_a_question_that_finds_no_place_is_told_to_come_back() {
    let (server, mut first, _state) = full().await;
    let heard = tokio::spawn(hear(say(server.address, GATE).await));
    let fed = async {
        // It never ends its head, and never lets it time out either.
        let mut next = tokio::time::interval(Duration::from_secs(2));
        loop {
            next.tick().await;
            if first.write_all(b"a").await.is_err() {
                break;
            }
        }
    };
    let heard = tokio::select! {
        heard = heard => heard.unwrap(),
        () = fed => panic!("the first was let go"),
    };
    assert!(heard.starts_with("HTTP/1.1 503"), "{heard}");
    assert!(heard.contains("retry-after: 5"), "{heard}");
}

#[tokio::test]
async fn an_idle_connection_gives_its_place_up_before_the_bound_is_met() {
    let server = running_with(Places::new(4, 1), state(View::default())).await;
    let keep = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut idle = Vec::new();
    for _ in 0..6 {
        let mut stream = say(server.address, keep).await;
        let mut beginning = [0; 12];
        soon("an answer", stream.read_exact(&mut beginning))
            .await
            .unwrap();
        assert_eq!(&beginning, b"HTTP/1.1 200");
        idle.push(stream);
    }
    let first = idle.remove(0);
    soon(
        "the first ends, well before it has idled too long",
        hear(first),
    )
    .await;
}

#[tokio::test]
async fn a_hook_closes_its_connection_and_our_own_form_does_not() {
    let server = running().await;
    let body = r#"{"name":"c","namespace":"shop"}"#;
    let hook = format!(
        "POST /flagger/v1/event HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let heard = soon("it ends", hear(say(server.address, &hook).await)).await;
    assert!(heard.contains("connection: close"), "{heard}");
    let mut stream = say(
        server.address,
        "GET /v1/gate/shop/checkout HTTP/1.1\r\nhost: a\r\n\r\n",
    )
    .await;
    let mut heard = [0; 1_024];
    let length = soon("an answer", stream.read(&mut heard)).await.unwrap();
    let heard = String::from_utf8_lossy(&heard[..length]);
    assert!(!heard.contains("connection: close"), "{heard}");
}
