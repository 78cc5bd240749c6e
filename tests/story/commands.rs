//! The commands of an engineer on call, as a plugin of kubectl, on a real incident in a cluster and in a directory.

use std::{os::unix::fs::symlink, process::Output};

use anyhow::{Context as _, Result, ensure};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{
    store::{Place, Store},
    world::{Opening, Shop},
};
use crate::support::{fusegate, scratch::Scratch};

const POLICY: &str = "checkout";

/// Whoever types commands: on no machine in particular, under a name.
struct Engineer<'a> {
    shop: &'a Shop,
    scratch: Scratch,
}

impl<'a> Engineer<'a> {
    fn of(shop: &'a Shop) -> Result<Self> {
        let scratch = Scratch::new("engineer")?;
        symlink(
            fusegate::program()?,
            scratch.path().join("kubectl-fusegate"),
        )?;
        Ok(Self { shop, scratch })
    }

    /// The policy, as commands name it.
    fn policy(&self) -> String {
        format!("{}/{POLICY}", self.shop.documents.namespace)
    }

    /// Types a command. What it needs to know of the place is in the environment.
    async fn types(&self, words: &[&str]) -> Result<Output> {
        let mut command = Command::new(self.scratch.path().join("kubectl-fusegate"));
        command
            .args(words)
            .env("USER", "alice")
            .env_remove("SUDO_USER")
            .env("FUSEGATE_SERVER", self.shop.store.fusegate().url(""));
        match &self.shop.store {
            Store::Cluster(host, _) => {
                command.env("FUSEGATE_KUBECONFIG", host.server.kubeconfig_path())
            }
            Store::Folder(folder) => command.env(
                "FUSEGATE_SOURCE",
                format!("dir:{}", folder.watched.display()),
            ),
        };
        Ok(command.output().await?)
    }

    /// What a command that succeeds prints.
    async fn reads(&self, words: &[&str]) -> Result<String> {
        let output = self.types(words).await?;
        ensure!(output.status.success(), "{words:?}: {output:?}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The code that a gate ends with.
    async fn code(&self, more: &[&str]) -> Result<i32> {
        let policy = self.policy();
        let words = [&["gate", &policy], more].concat();
        self.types(&words).await?.status.code().context("no code")
    }

    /// Waits until a circuit is overridden so, or by nothing.
    async fn sees(&self, object: &str, order: &Value, state: &str) -> Result<()> {
        let how = format!("to be {state} under {order}");
        self.shop
            .wait_circuit(POLICY, object, &how, |circuit| {
                circuit["override"] == *order && circuit["state"] == state
            })
            .await?;
        Ok(())
    }
}

#[rstest]
#[tokio::test]
async fn an_engineer_looks_explains_overrides_and_undoes(
    #[values(Place::Cluster, Place::Folder)] place: Place,
) -> Result<()> {
    let opening = Opening::at(place).policy(POLICY, json!({}));
    let shop = opening.object("front").object("back").open().await?;
    let engineer = Engineer::of(&shop)?;
    let policy = engineer.policy();

    let told = engineer.reads(&["status", &policy]).await?;
    ensure!(told.ends_with("\n2 circuits: 2 Closed\n"), "{told}");
    ensure!(engineer.code(&[]).await? == 0);

    overrides_and_undoes(&engineer).await?;

    let trip = shop.trip(POLICY, "front").await?;
    shop.wait_rolled_back().await?;
    ensure!(engineer.code(&["--wait", "1s"]).await? == 3);
    let told = engineer.reads(&["explain", &trip]).await?;
    for part in [
        "network-latency was 320",
        "Bad when above 250 ms",
        "RollbackSchema",
        "fusegate hold ",
    ] {
        ensure!(told.contains(part), "no {part} in {told}");
    }
    let audit = shop.store.audit().display().to_string();
    shop.wait("the trip in the audit log", async || {
        let told = engineer
            .reads(&["explain", &trip, "--audit", &audit])
            .await?;
        ensure!(
            told.contains("Open") && told.contains("RollbackSchema"),
            "{told}"
        );
        Ok(())
    })
    .await?;
    if place == Place::Cluster {
        shop.wait("the trip in the Events", async || {
            let told = engineer.reads(&["explain", &trip, "--events"]).await?;
            ensure!(told.contains("Closed → Open"), "{told}");
            Ok(())
        })
        .await?;
    }
    let recording = shop.store.fusegate().recording().context("not recorded")?;
    let recording = recording.display().to_string();
    shop.wait("the trip in the recording", async || {
        let told = engineer
            .reads(&["explain", &trip, "--recording", &recording])
            .await?;
        ensure!(told.contains("Open"), "{told}");
        Ok(())
    })
    .await?;
    let told = engineer
        .reads(&["status", &policy, "-o", "json", "--state", "Open"])
        .await?;
    let told: Value = serde_json::from_str(&told)?;
    ensure!(told["items"][0]["tripId"] == trip, "{told}");
    Ok(())
}

async fn overrides_and_undoes(engineer: &Engineer<'_>) -> Result<()> {
    let shop = engineer.shop;
    let policy = engineer.policy();
    // What is ordered for one object is enforced on that object, and told with the name of whoever ordered it.
    let order = ["--object", "front", "--for", "30m", "--reason", "a drill"];
    let told = engineer
        .reads(&[&["trip", &policy], &order[..]].concat())
        .await?;
    ensure!(told.contains("front: ForcedOpen until "), "{told}");
    engineer.sees("front", &json!("ForcedOpen"), "Open").await?;
    shop.wait_answer("front", 503).await?;
    ensure!(shop.answer("back").await? == 200);
    ensure!(engineer.code(&["--object", "front"]).await? == 3);
    ensure!(engineer.code(&["--object", "back"]).await? == 0);
    shop.wait("the override in the audit log", async || {
        let audit = shop.audit()?;
        let mut reasons = audit.iter().map(|line| line.text("reason"));
        ensure!(
            reasons.any(|reason| reason.contains("a drill (by ")),
            "{audit:?}"
        );
        Ok(())
    })
    .await?;
    engineer
        .reads(&[&["hold", &policy], &order[..]].concat())
        .await?;
    engineer
        .sees("front", &json!("ForcedClosed"), "Closed")
        .await?;
    shop.wait_answer("front", 200).await?;
    engineer
        .reads(&["release", &policy, "--object", "front"])
        .await?;
    engineer.sees("front", &Value::Null, "Closed").await?;
    Ok(())
}

#[rstest]
#[tokio::test]
async fn what_can_not_be_told_or_ordered_ends_with_a_code_and_says_why() -> Result<()> {
    let shop = Opening::at(Place::Folder)
        .policy(POLICY, json!({}))
        .object("front")
        .open()
        .await?;
    let engineer = Engineer::of(&shop)?;
    let policy = engineer.policy();
    for (words, code, told) in [
        (vec!["gate", "shop/none"], 5, ""),
        (vec!["gate", "none"], 2, "NAMESPACE/POLICY"),
        (vec!["explain", "abc"], 1, "audit log"),
        (vec!["release", &policy], 1, "nothing is ordered"),
        (
            vec!["hold", "shop/none", "--for", "1m", "--reason", "a"],
            1,
            "there is no CircuitPolicy shop/none",
        ),
        (
            vec!["status", "--server", "http://127.0.0.1:1"],
            1,
            "--server",
        ),
    ] {
        let output = engineer.types(&words).await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(code), "{words:?}: {output:?}");
        ensure!(said.contains(told), "{words:?}: {said}");
    }
    Ok(())
}
