//! A person: `fusegate rollback` against a real API server.

use std::process::Output;

use anyhow::{Context as _, Result, ensure};
use fusegate_crds::IncidentState;
use serde_json::json;
use tokio::process::Command;

use super::{
    place::{Place, property},
    small,
};
use crate::support::fusegate::program;

/// Runs the command and answers its exit code and what it printed.
async fn run(place: &Place, arguments: &[&str]) -> Result<(i32, String)> {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(program()?)
        .args([
            "rollback",
            &place.order.crd.name,
            "--namespace",
            &place.namespace,
        ])
        .arg("--kubeconfig")
        .arg(place.server.kubeconfig_path())
        .args(arguments)
        .output()
        .await?;
    let text = String::from_utf8(stdout)? + &String::from_utf8(stderr)?;
    Ok((status.code().context("killed")?, text))
}

#[tokio::test]
async fn a_person_tries_and_then_rolls_back() -> Result<()> {
    let place = Place::new(&small(5), &small(9)).await?;
    place.objects(3, &json!({"size": 1})).await?;
    let before = place.stored().await?;
    let (code, text) = run(&place, &["--dry-run"]).await?;
    ensure!(code == 0, "{text}");
    let checks: Vec<_> = text
        .lines()
        .filter(|line| line.contains("  passed  "))
        .collect();
    assert_eq!(checks.len(), 8, "{text}");
    ensure!(
        text.contains("3 judged in v1; none would be harmed"),
        "{text}"
    );
    assert_eq!(place.live_revision().await?, 2);
    assert_eq!(place.incidents().await?, []);

    let (code, text) = run(&place, &["--to", "1"]).await?;
    ensure!(
        code == 0 && text.ends_with("rolled back to revision 1\n"),
        "{text}"
    );
    assert_eq!(place.live_revision().await?, 1);
    ensure!(before == place.stored().await?, "objects were changed");
    let incidents = place.incidents().await?;
    assert_eq!(incidents[0].state, IncidentState::RolledBack);
    let (code, text) = run(&place, &["--to", "2"]).await?;
    ensure!(
        code == 2 && text.contains("is marked bad by by-person-"),
        "{text}"
    );
    Ok(())
}

#[tokio::test]
async fn a_person_is_told_every_check_that_fails() -> Result<()> {
    let target = property("colour", &json!({"type": "string", "enum": ["red"]}));
    let live = property(
        "colour",
        &json!({"type": "string", "enum": ["red", "green"]}),
    );
    let place = Place::new(&target, &live).await?;
    place.objects(2, &json!({"colour": "green"})).await?;
    place.rolled_back_before("earlier").await?;
    let (code, text) = run(&place, &["--dry-run"]).await?;
    ensure!(code == 1, "{text}");
    let failed: Vec<_> = text
        .lines()
        .filter(|line| line.contains("  failed  "))
        .collect();
    assert_eq!(failed.len(), 2, "{text}");
    ensure!(
        text.ends_with("it would not be rolled back: WouldBeInvalid\n"),
        "{text}"
    );
    let (code, text) = run(&place, &[]).await?;
    ensure!(
        code == 1 && text.ends_with("not rolled back: WouldBeInvalid\n"),
        "{text}"
    );
    assert_eq!(place.live_revision().await?, 2);
    Ok(())
}
