//! What is told of a trip, by a real server and out of a log.

use std::fs;

use clap::Parser;
use serde_json::json;

use super::*;
use crate::breaker::circuit::StateName;
use crate::breaker::time::Wall;
use crate::cli::on_call::OnCall;
use crate::cli::{Cli, Command};
use crate::serve::fixture::{circuit, policy, served, view};
use crate::serve::history::story::Entry;

fn explain(words: &[&str]) -> Explain {
    let words = ["fusegate", "explain"].iter().chain(words);
    let Command::OnCall(OnCall::Explain(explain)) = Cli::try_parse_from(words).unwrap().command
    else {
        panic!("not explain")
    };
    explain
}

async fn told(explain: Explain) -> Result<String, Unexplained> {
    let mut out = Vec::new();
    explain.print(&mut out).await?;
    Ok(String::from_utf8(out).unwrap())
}

#[tokio::test]
async fn a_trip_is_told_with_its_cause_its_story_and_what_to_type() {
    let server = served(view(policy([("eu-1", circuit(StateName::Open))]))).await;
    let entry = |operation, verdict, reason: &str| Entry {
        at: Wall(1_000),
        action: "State",
        operation,
        verdict,
        source: "report",
        resource: "Storefront.shop.example.com/shop/eu-1".into(),
        policy: Some("shop/checkout".into()),
        reason: reason.into(),
    };
    {
        let mut history = server.state.history.write().await;
        history.tell(
            "0000000000000abc",
            entry("Open", "Enforced", "network-latency above 250 ms"),
        );
        history.tell(
            "0000000000000abc",
            entry("Alert", "Ordered", "fires: \u{1b}[31mred"),
        );
    }
    let text = told(explain(&["abc", "--server", &server.url]))
        .await
        .unwrap();
    insta::assert_snapshot!(text.replace(&server.url, "URL"));
    let unknown = told(explain(&["def", "--server", &server.url])).await;
    let unknown = unknown.unwrap_err().to_string();
    assert!(unknown.contains("audit log"), "{unknown}");
}

#[tokio::test]
async fn a_log_tells_what_replicas_have_forgotten() {
    let line = |trip: &str, action: &str| {
        let line = json!({
            "time": "1970-01-01T00:00:01.000Z", "action": action, "source": "report",
            "resource": "Storefront/shop/eu-1", "operation": "Open", "verdict": "Enforced",
            "reason": "3 in a row", "policy": "shop/checkout", "trip_id": trip,
        });
        line.to_string()
    };
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.jsonl");
    let trip = "0123456789abcdef";
    let lines = [
        line(trip, "State"),
        line(trip, "Map"),
        line("other", "State"),
        "{\"half".to_owned(),
    ];
    fs::write(&log, lines.join("\n")).unwrap();
    let log = log.to_str().unwrap();
    let text = told(explain(&[trip, "--audit", log, "-o", "wide"]))
        .await
        .unwrap();
    insta::assert_snapshot!(text);
    let nothing = told(explain(&["1", "--audit", log]))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        nothing.contains("has nothing about trip 0000000000000001"),
        "{nothing}"
    );
}
