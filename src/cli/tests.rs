//! What commands write that tell how things stand, kept as snapshots; docs/cli.md keeps the help of all.

use clap::Parser as _;
use regex::Regex;
use rstest::rstest;

use super::{Cli, Command};
use crate::breaker::circuit::StateName;
use crate::cli::style::Colours;
use crate::serve::fixture::{circuit, policy, served, view};

/// What a command writes about one circuit that is Open and one that is Closed, whatever its exit code.
async fn written(line: &str) -> String {
    let circuits = [
        ("eu-1", circuit(StateName::Open)),
        ("us-1", circuit(StateName::Closed)),
    ];
    let server = served(view(policy(circuits))).await;
    let line = format!("fusegate {line} --server {}", server.url);
    let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
    let mut out = Vec::new();
    match cli.command {
        Command::OnCall(command) => {
            command.print(&mut out).await.unwrap();
        }
        Command::Proxies(proxies) => proxies.print(&mut out).await.unwrap(),
        Command::Doctor(doctor) => {
            doctor.print(Colours::none(), &mut out).await.unwrap();
        }
        other => panic!("{other:?} asks no server"),
    }
    let text = String::from_utf8(out).unwrap();
    steady(&text.replace(&server.url, "http://SERVER"))
}

/// Without what differs from run to run: how long ago something was, and when it was asked.
fn steady(text: &str) -> String {
    let moving = Regex::new(r#"((ageSeconds|now)"?: )\d+"#).unwrap();
    moving.replace_all(text, "${1}N").into_owned()
}

#[rstest]
#[case("status_json", "status shop/checkout --output json")]
#[case("status_yaml", "status shop/checkout --output yaml")]
#[case("gate_table", "gate shop/checkout")]
#[case("gate_json", "gate shop/checkout --object us-1 --output json")]
#[case("explain_json", "explain 0000000000000abc --output json")]
#[case("proxies_table", "proxies")]
#[case("proxies_json", "proxies --output json")]
#[tokio::test]
async fn what_is_asked_of_a_replica(#[case] name: &str, #[case] line: &str) {
    insta::assert_snapshot!(name, written(line).await);
}

#[rstest]
#[case("doctor_table", "wide")]
#[case("doctor_json", "json")]
#[tokio::test]
async fn what_a_doctor_finds(#[case] name: &str, #[case] format: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.txt");
    let saved = "fusegate_build_info{version=\"0.1.0\"} 1\nfusegate_audit_lines_dropped_total 3\n";
    std::fs::write(&path, saved).unwrap();
    let line = format!("doctor --metrics {} --output {format}", path.display());
    let text = written(&line).await;
    insta::assert_snapshot!(
        name,
        text.replace(&path.display().to_string(), "metrics.txt")
    );
}
