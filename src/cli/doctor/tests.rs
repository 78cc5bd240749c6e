//! What is told of a real server, and of files.

use clap::Parser;

use super::*;
use crate::breaker::circuit::StateName;
use crate::cli::{Cli, Command};
use crate::serve::fixture::{circuit, policy, served, view};

async fn told(line: &str) -> Result<(bool, String), Undiagnosed> {
    let line = format!("fusegate doctor --over 0s {line}");
    let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
    let Command::Doctor(doctor) = cli.command else {
        panic!("not doctor")
    };
    let mut out = Vec::new();
    let healthy = doctor.print(Colours::none(), &mut out).await?;
    Ok((healthy, String::from_utf8(out).unwrap()))
}

#[tokio::test]
async fn a_replica_that_is_not_there_is_found() {
    let (healthy, text) = told("--server http://127.0.0.1:1").await.unwrap();
    assert!(!healthy);
    assert!(
        text.starts_with("Critical Unreachable  http://127.0.0.1:1/"),
        "{text}"
    );
    assert!(text.ends_with("1 critical, 0 warnings\n"), "{text}");
}

#[tokio::test]
async fn what_a_server_measures_and_says_is_judged() {
    let server = served(view(policy([("eu-1", circuit(StateName::Closed))]))).await;
    let url = &server.url;
    let (_, text) = told(&format!("--server {url} --output json"))
        .await
        .unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let items = document["items"].as_array().unwrap();
    let wrong = items.iter().filter(|item| item["severity"] != "Note");
    let codes: Vec<&str> = wrong.map(|item| item["code"].as_str().unwrap()).collect();
    assert_eq!(codes, [""; 0], "{text}");
}

#[tokio::test]
async fn saved_metrics_are_judged_and_others_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.txt");
    let text = "fusegate_build_info{version=\"0.1.0\"} 1\nfusegate_audit_lines_dropped_total 3\n";
    std::fs::write(&path, text).unwrap();
    let option = format!("--metrics {}", path.display());
    let (healthy, said) = told(&option).await.unwrap();
    assert!(!healthy);
    assert!(
        said.contains("3 audit lines were dropped since the start"),
        "{said}"
    );
    std::fs::write(&path, "up 1\n").unwrap();
    let refused = told(&option).await.unwrap_err().to_string();
    assert!(
        refused.contains("fusegate_build_info is missing"),
        "{refused}"
    );
}
