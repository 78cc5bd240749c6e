//! The server on a real socket: it answers, gives up on the slow, and ends when told.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{HEAD_TIMEOUT, serve_at_most};
use crate::serve::fixture::state;
use crate::serve::state::ServeState;
use crate::wire::view::View;

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

async fn running() -> Running {
    running_with(1_024, state(View::default())).await
}

async fn running_with(most: usize, state: ServeState) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve_at_most(most, listener, state, shutdown.clone()));
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

#[tokio::test]
async fn past_the_bound_a_connection_waits_until_another_ends_and_is_counted() {
    const ASK: &str = "GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let state = state(View::default());
    let server = running_with(1, state.clone()).await;
    let first = say(server.address, "").await;
    let second = say(server.address, ASK).await;
    let heard = tokio::spawn(hear(second));
    let waits = async {
        while !(state.metrics)().contains("bounds_met_total{bound=\"http_connections\"} 1") {
            tokio::task::yield_now().await;
        }
    };
    let seen = tokio::time::timeout(Duration::from_mins(1), waits).await;
    seen.expect("that it waits is counted");
    assert!(!heard.is_finished());
    assert!((state.metrics)().contains("fusegate_http_connections 1"));
    drop(first);
    let answered = tokio::time::timeout(Duration::from_mins(1), heard).await;
    assert!(answered.unwrap().unwrap().starts_with("HTTP/1.1 200"));
}
