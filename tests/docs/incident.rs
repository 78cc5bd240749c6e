//! The incident of the page about replaying, made again with the real program, and replayed as the page says.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::blocks::{Block, Page};
use super::output;
use crate::support::fusegate::{Fusegate, FusegateConfig, program};
use crate::support::scratch::Scratch;
use crate::support::wait::eventually;

const SOON: Duration = Duration::from_mins(1);

/// A trip that is over, and what is left of it.
pub(super) struct Incident {
    pub(super) fusegate: Fusegate,
    pub(super) audit: PathBuf,
    trip: String,
    scratch: Scratch,
}

impl Incident {
    /// Three reports and a trip, on the files of the README's quick start.
    pub(super) async fn happen() -> Result<Self> {
        let scratch = Scratch::new("incident")?;
        let policies = scratch.path().join("policies");
        fs::create_dir(&policies)?;
        for name in ["contract.yaml", "policy.yaml", "crd.yaml"] {
            fs::copy(format!("tests/demo/files/{name}"), policies.join(name))?;
        }
        let audit = scratch.path().join("audit.jsonl");
        let config = FusegateConfig::args([
            format!("--source=dir:{}", policies.display()),
            format!("--audit={}", audit.display()),
        ]);
        let mut incident = Self {
            fusegate: Fusegate::start(config).await?,
            audit,
            trip: String::new(),
            scratch,
        };
        for (reports, latency) in [(1, "120ms"), (2, "900ms"), (3, "910ms"), (4, "920ms")] {
            incident.report(latency)?;
            incident.audited("\"action\":\"Map\"", reports).await?;
        }
        let opened = incident.audited("\"operation\":\"Open\"", 1).await?;
        let (_, rest) = opened.split_once("\"trip_id\":\"").context("no trip id")?;
        incident.trip = rest.chars().take(16).collect();
        let ended = incident.fusegate.stop().await?;
        ensure!(ended.success(), "{ended}");
        Ok(incident)
    }

    /// Checks that a command of the page prints what the page shows.
    pub(super) fn check(&self, command: &Block, shown: &Block) -> Result<()> {
        let (place, words) = command.commands("fusegate").remove(0);
        let output = self.run(&words)?;
        ensure!(output.status.success(), "{place}: {output:?}");
        let printed = [output.stdout, output.stderr].concat();
        output::shows(&shown.place, &shown.text, &String::from_utf8(printed)?)
    }

    /// What was recorded would have tripped the policy just as it did, with the same id.
    pub(super) fn simulate(&self) -> Result<()> {
        let recording = self.fusegate.recording().context("not recorded")?;
        let output = Command::new(program()?)
            .arg("simulate")
            .arg(self.scratch.path().join("policies"))
            .arg("--from")
            .arg(recording)
            .args(["--output", "json"])
            .output()?;
        ensure!(output.status.success(), "{output:?}");
        let told: Value = serde_json::from_slice(&output.stdout)?;
        let trips = &told["circuits"][0]["trips"];
        ensure!(trips[0]["id"] == self.trip && trips[1].is_null(), "{told}");
        Ok(())
    }

    fn run(&self, words: &[String]) -> Result<Output> {
        let recording = self.fusegate.recording().context("not recorded")?;
        let mut command = Command::new(program()?);
        let mut after = "";
        for word in words.iter().skip(1) {
            match (after, word.as_str()) {
                ("replay", _) => command.arg(&recording),
                ("--trip", _) => command.arg(&self.trip),
                _ => command.arg(word),
            };
            after = word;
        }
        Ok(command.output()?)
    }

    fn report(&self, latency: &str) -> Result<()> {
        let object = format!(
            "apiVersion: shop.example.com/v1\nkind: Storefront\nmetadata: {{name: eu-1, namespace: shop}}\n\
             status: {{conditions: {{network-latency: {{value: {latency}}}}}}}\n"
        );
        let whole = self.scratch.write("next", object)?;
        Ok(fs::rename(
            whole,
            self.scratch.path().join("policies/eu-1.yaml"),
        )?)
    }

    /// Waits until so many audit lines have a text, and returns the last of them.
    async fn audited(&self, text: &str, count: usize) -> Result<String> {
        eventually("the audit log to follow", SOON, async || {
            let audit = fs::read_to_string(&self.audit)?;
            let found: Vec<&str> = audit.lines().filter(|line| line.contains(text)).collect();
            ensure!(found.len() >= count, "{audit}");
            Ok(found[count - 1].to_owned())
        })
        .await
    }
}

/// The commands of the page that replay, each with the output shown below it.
pub(super) fn shown() -> Vec<(Block, Block)> {
    let page = Page::read("docs/replay.md");
    let mut commands = page.blocks("sh");
    commands.retain(|block| block.text.starts_with("fusegate replay"));
    commands.into_iter().zip(page.blocks("text")).collect()
}
