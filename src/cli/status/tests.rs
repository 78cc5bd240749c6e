//! What is told of circuits, by a real server.

use std::io;
use std::sync::Arc;

use clap::Parser;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;
use crate::breaker::circuit::{Forced, StateName};
use crate::cli::on_call::OnCall;
use crate::cli::{Cli, Command};
use crate::serve::fixture::{Served, circuit, forced, policy, served, view};
use crate::wire::view::{CircuitView, View};

fn shop() -> View {
    let armed = CircuitView {
        armed: true,
        ..circuit(StateName::Closed)
    };
    let explained =
        circuit(StateName::Open).saying(|outage| outage.root = Some("shop/database".into()));
    let policy = policy([
        ("eu-1", explained),
        ("eu-2", armed),
        ("us-1", forced(StateName::Open, Forced::Closed)),
    ]);
    view(policy)
}

fn status(server: &Served, line: &str) -> Status {
    let line = format!("fusegate status --server {} {line}", server.url);
    let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
    let Command::OnCall(OnCall::Status(status)) = cli.command else {
        panic!("not status")
    };
    status
}

async fn told(line: &str) -> String {
    let server = served(shop()).await;
    let mut out = Vec::new();
    status(&server, line).print(&mut out).await.unwrap();
    String::from_utf8(out).unwrap()
}

/// Hands on what is written, piece by piece.
struct Pieces(mpsc::Sender<String>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.0.try_send(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_table_has_a_line_for_each_circuit() {
    insta::assert_snapshot!(told("").await);
}

#[tokio::test]
async fn a_wide_table_has_all_that_fits_on_a_line() {
    insta::assert_snapshot!(told("shop/checkout --output wide --state Open").await);
}

#[tokio::test]
async fn json_and_yaml_hold_what_the_server_answers() {
    let json: Value = serde_json::from_str(&told("shop -o json --state Troubled").await).unwrap();
    assert_eq!(json["items"].as_array().map(Vec::len), Some(3));
    assert_eq!(json["items"][0]["tripId"], "0000000000000abc");
    let yaml: Value = serde_saphyr::from_str(&told("shop -o yaml --state Troubled").await).unwrap();
    assert_eq!(yaml["items"][1]["object"], "eu-2");
}

#[tokio::test]
async fn nothing_that_matches_is_said_in_words() {
    assert_eq!(told("bank").await, "no circuit that matches\n");
}

#[tokio::test]
async fn a_watch_tells_it_anew_once_it_is_different() {
    let server = served(shop()).await;
    let watch = status(&server, "shop --watch");
    let (pieces, mut told) = mpsc::channel(16);
    let watching = tokio::spawn(async move { watch.print(&mut Pieces(pieces)).await });
    let mut next = async || {
        timeout(Duration::from_mins(1), told.recv())
            .await
            .unwrap()
            .unwrap()
    };
    assert!(next().await.contains("3 circuits: 1 Open, 2 Closed"));
    let healed = policy([("eu-1", circuit(StateName::Closed))]);
    server.state.view.store(Arc::new(view(healed)));
    assert_eq!(next().await, "\n", "a line between the two");
    assert!(next().await.contains("1 circuit: 1 Closed"));
    watching.abort();
}

#[tokio::test]
async fn what_the_server_does_not_understand_is_told_in_its_words() {
    let server = served(shop()).await;
    let refused = status(&server, "--state open").print(&mut Vec::new()).await;
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.starts_with("`state` can't be \"open\": give Closed"),
        "{refused}"
    );
}
