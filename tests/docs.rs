//! The documentation: every example in it is read, asked or run, so that what it shows is so.

mod blocks;
mod book;
mod command_line;
mod example;
mod generated;
mod incident;
mod moment;
mod output;
mod pages;
mod tutorial;

use std::fs;
use std::process::Command;

use anyhow::Result;
use serde_json::Value;

use self::blocks::{Block, Page};
use self::incident::Incident;
use crate::support::fusegate::program;
use crate::support::servers::assets;

fn blocks(language: &str) -> Vec<Block> {
    let pages = blocks::pages();
    let blocks: Vec<Block> = pages
        .iter()
        .flat_map(|page| page.blocks(language))
        .collect();
    assert!(!blocks.is_empty(), "no ```{language} block was found");
    blocks
}

fn documents() -> Vec<(String, Value)> {
    let parsed = |block: Block| {
        let documents: Vec<Value> = serde_saphyr::from_multiple(&block.text)
            .unwrap_or_else(|error| panic!("{}: {error}", block.place));
        documents
            .into_iter()
            .map(move |document| (block.place.clone(), document))
    };
    blocks("yaml").into_iter().flat_map(parsed).collect()
}

#[test]
fn the_bootstrap_in_the_pages_is_one_that_envoy_takes() {
    let bootstrap = documents()
        .into_iter()
        .find(|(_, document)| document["static_resources"].is_object());
    let (place, bootstrap) = bootstrap.expect("a page shows a bootstrap");
    let envoy = assets::program("envoy").unwrap();
    let validated = Command::new(envoy)
        .args([
            "--mode",
            "validate",
            "--config-yaml",
            &bootstrap.to_string(),
        ])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&validated.stderr);
    assert!(validated.status.success(), "{place}: {told}");
}

#[tokio::test]
async fn an_incident_is_replayed_as_the_page_shows_it() -> Result<()> {
    let incident = Incident::happen().await?;
    let shown = incident::shown();
    assert_eq!(shown.len(), 3, "--trip, --snapshot and --quiet");
    for (command, output) in &shown {
        incident.check(command, output)?;
    }
    incident.simulate()?;
    // What every story relies on when it ends: the replay of a log that was changed is not the same.
    let audit = fs::read_to_string(&incident.audit)?;
    incident.fusegate.replay()?;
    fs::write(
        &incident.audit,
        audit
            .replace("910 ms", "911 ms")
            .replace("920 ms", "921 ms"),
    )?;
    let told = format!("{:#}", incident.fusegate.replay().unwrap_err());
    assert!(told.contains("other audit lines"), "{told}");
    fs::write(&incident.audit, audit)?;
    Ok(())
}

#[test]
fn a_recording_of_before_is_compared_as_the_page_shows_it() -> Result<()> {
    let shown = Page::read("docs/replay.md").blocks("text").pop().unwrap();
    let fixture = |file: &str| format!("src/app/replay/fixtures/before.{file}");
    let replayed = Command::new(program()?)
        .args(["replay", &fixture("jsonl")])
        .args(["--audit", &fixture("audit.jsonl")])
        .output()?;
    let printed = String::from_utf8(replayed.stdout)?;
    output::shows(&shown.place, &shown.text, &printed)
}

#[test]
fn the_tutorial_runs_word_for_word() -> Result<()> {
    tutorial::run("docs/tutorial.md", 11)
}

#[test]
fn the_simulations_of_the_pages_run_word_for_word() -> Result<()> {
    tutorial::run("docs/how-to/simulate-a-policy.md", 4)
}
