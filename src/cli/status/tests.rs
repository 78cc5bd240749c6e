//! What is told of circuits, by a real server.

use clap::Parser;

use super::*;
use crate::breaker::circuit::{Forced, StateName};
use crate::cli::on_call::OnCall;
use crate::cli::{Cli, Command};
use crate::serve::fixture::{circuit, forced, policy, served, view};
use crate::wire::view::CircuitView;

async fn told(line: &str) -> String {
    let armed = CircuitView {
        armed: true,
        ..circuit(StateName::Closed)
    };
    let policy = policy([
        ("eu-1", circuit(StateName::Open)),
        ("eu-2", armed),
        ("us-1", forced(StateName::Open, Forced::Closed)),
    ]);
    let server = served(view(policy)).await;
    let line = format!("fusegate status --server {} {line}", server.url);
    let Command::OnCall(OnCall::Status(status)) = Cli::try_parse_from(line.split_whitespace())
        .unwrap()
        .command
    else {
        panic!("not status")
    };
    let mut out = Vec::new();
    status.print(&mut out).await.unwrap();
    String::from_utf8(out).unwrap()
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
