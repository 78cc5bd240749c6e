//! Orders in a directory: what is written, replaced, and taken away again.

use std::fs;
use std::path::Path;

use clap::Parser;

use super::*;
use crate::cli::on_call::OnCall;
use crate::cli::{Cli, Command};

const POLICY: &str = "\
apiVersion: fusegate.io/v1alpha1
kind: CircuitPolicy
metadata: {name: checkout, namespace: shop}
";

async fn run(folder: &Path, line: &str) -> Result<String, String> {
    let source = format!("--source=dir:{}", folder.display());
    let words = ["fusegate"].into_iter().chain(line.split_whitespace());
    let cli =
        Cli::try_parse_from(words.chain([source.as_str()])).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    let done = match cli.command {
        Command::OnCall(OnCall::Hold(hold)) => hold.print(&mut out).await,
        Command::OnCall(OnCall::Trip(trip)) => trip.print(&mut out).await,
        Command::OnCall(OnCall::Release(release)) => release.print(&mut out).await,
        _ => panic!("no order"),
    };
    done.map_err(|error| error.to_string())?;
    Ok(String::from_utf8(out).unwrap())
}

fn shop() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.yaml"), POLICY).unwrap();
    folder
}

fn orders(folder: &Path) -> Vec<CircuitOverride> {
    let all = crate::effects::documents::Document::all(folder, "CircuitOverride").unwrap();
    all.into_iter()
        .map(|order| serde_json::from_value(order).unwrap())
        .collect()
}

#[tokio::test]
async fn an_order_names_who_gave_it_replaces_the_one_before_and_can_be_ended() {
    let folder = shop();
    let path = folder.path();
    let told = run(
        path,
        "hold shop/checkout --object eu-1 --for 30m --reason INC-1",
    )
    .await
    .unwrap();
    assert!(
        told.starts_with("shop/checkout eu-1: ForcedClosed until "),
        "{told}"
    );
    run(
        path,
        "trip shop/checkout --object eu-1 --for 1h --reason INC-2",
    )
    .await
    .unwrap();
    let [order] = orders(path).try_into().unwrap();
    assert_eq!(order.spec.state, OverrideState::ForcedOpen);
    assert_eq!(order.spec.object.as_deref(), Some("eu-1"));
    assert!(
        order.spec.reason.starts_with("INC-2 (by "),
        "{}",
        order.spec.reason
    );
    assert_eq!(order.metadata.namespace.as_deref(), Some("shop"));
    run(path, "hold shop/checkout --for 1h --reason INC-3")
        .await
        .unwrap();
    let told = run(path, "release shop/checkout --object eu-1")
        .await
        .unwrap();
    assert_eq!(
        told,
        "shop/checkout eu-1: released\nCircuitOverride shop/command-checkout concerns it too, and stays\n"
    );
    run(path, "release shop/checkout").await.unwrap();
    assert!(orders(path).is_empty());
    let nothing = run(path, "release shop/checkout").await.unwrap_err();
    assert_eq!(nothing, "shop/checkout, all circuits: nothing is ordered");
}

#[tokio::test]
async fn what_is_ordered_is_what_fusegate_check_accepts() {
    let folder = shop();
    let told = run(
        folder.path(),
        "trip shop/checkout --for 30m --reason INC-1 -o json",
    )
    .await
    .unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    let read = <CircuitOverride as fusegate_crds::Kind>::problems;
    let [order] = orders(folder.path()).try_into().unwrap();
    assert!(read(&order).is_empty());
    assert_eq!(told["override"]["spec"]["state"], "ForcedOpen");
}

#[tokio::test]
async fn what_is_written_says_what_was_ordered_until_when_and_by_whom() {
    let folder = shop();
    let mut written = String::new();
    for line in [
        "hold shop/checkout --object eu-1 --for 30m --reason INC-1",
        "trip shop/checkout --for 5m --reason INC-2",
        "release shop/checkout",
    ] {
        let outputs = if line.starts_with("release") {
            &[""][..]
        } else {
            &["", " --output json"]
        };
        for more in outputs {
            let told = run(folder.path(), &format!("{line}{more}")).await;
            written += &told.unwrap_or_else(|refused| refused);
        }
    }
    let until = regex::Regex::new(r"\d{4}-\d\d-\d\dT[0-9:.]+Z").unwrap();
    let actor = format!("(by {})", super::actor::of_system());
    let written = written.replace(&actor, "(by USER)");
    insta::assert_snapshot!(until.replace_all(&written, "TIME"));
}

#[tokio::test]
async fn what_can_not_be_ordered_is_refused_with_what_to_do() {
    let folder = shop();
    for (line, told) in [
        (
            "hold shop/search --for 1h --reason a",
            "there is no CircuitPolicy shop/search",
        ),
        (
            "hold checkout --for 1h --reason a",
            "write it as NAMESPACE/POLICY",
        ),
        (
            "hold shop/checkout --for soon --reason a",
            "is not a duration",
        ),
        ("hold shop/checkout --for 1h", "--reason"),
    ] {
        let refused = run(folder.path(), line).await.unwrap_err();
        assert!(refused.contains(told), "{line}: {refused}");
    }
    let long = "a".repeat(1_100);
    let refused = run(
        folder.path(),
        &format!("hold shop/checkout --for 1h --reason {long}"),
    )
    .await;
    assert!(refused.unwrap_err().contains("1,024 characters"));
    assert!(orders(folder.path()).is_empty());
}

#[test]
fn a_name_is_never_longer_than_kubernetes_takes() {
    let object = "a".repeat(253);
    let line = format!("fusegate release shop/checkout --object {object}");
    let Command::OnCall(OnCall::Release(release)) = Cli::try_parse_from(line.split_whitespace())
        .unwrap()
        .command
    else {
        panic!("not release")
    };
    assert_eq!(release.circuits.name().len(), "command-".len() + 16);
}
