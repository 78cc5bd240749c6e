//! The documentation: every example in it is read, asked or run, so that what it shows is so.

mod blocks;
mod example;
mod incident;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use anyhow::Result;
use axum::http::StatusCode;
use clap::Parser as _;
use fusegate::cli::Cli;
use fusegate_crds::{CircuitOverride, CircuitPolicy, ConditionContract, Problem, strict};
use serde_json::Value;

use self::blocks::{Block, Page};
use self::example::Exchange;
use self::incident::Incident;
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
fn every_example_of_our_kinds_is_valid_to_the_last_field() {
    let mut seen = BTreeSet::new();
    for (place, document) in documents() {
        let kind = document["kind"].as_str().unwrap_or_default().to_owned();
        let result = match kind.as_str() {
            "ConditionContract" => strict::<ConditionContract>(document).map(drop),
            "CircuitPolicy" => strict::<CircuitPolicy>(document).map(drop),
            "CircuitOverride" => strict::<CircuitOverride>(document).map(drop),
            _ => continue,
        };
        let told =
            |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(result.map_err(told), Ok(()), "{place}");
        seen.insert(kind);
    }
    assert_eq!(seen.len(), 3, "each kind has an example: {seen:?}");
}

#[tokio::test]
async fn every_exchange_in_the_pages_happens_as_it_is_shown() {
    let state = example::state();
    for block in blocks("http") {
        let exchange = Exchange::parse(&block);
        exchange.hold(&state).await;
    }
}

#[tokio::test]
async fn every_url_that_other_tools_are_given_is_answered() {
    let state = example::state();
    let mut paths = BTreeSet::new();
    for (_, document) in documents() {
        example::collect_urls(&document, &mut paths);
    }
    assert!(
        paths.iter().any(|path| path.starts_with("/flagger/")),
        "{paths:?}"
    );
    assert!(
        paths.iter().any(|path| path.starts_with("/argo/")),
        "{paths:?}"
    );
    for path in paths {
        let method = if path.starts_with("/flagger/") {
            "POST"
        } else {
            "GET"
        };
        let answer = example::ask(&state, method, &path, "{}").await;
        assert_ne!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
}

#[test]
fn the_bootstrap_in_the_readme_is_one_that_envoy_takes() {
    let bootstrap = documents()
        .into_iter()
        .find(|(_, document)| document["static_resources"].is_object());
    let (place, bootstrap) = bootstrap.expect("the README shows a bootstrap");
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

#[test]
fn every_command_shown_is_one_that_fusegate_takes() {
    let commands = blocks("sh")
        .into_iter()
        .flat_map(|block| block.commands("fusegate"));
    let mut taken = 0;
    for (place, words) in commands {
        let parsed = Cli::try_parse_from(&words).map(drop);
        assert!(
            parsed.is_ok(),
            "{place}: {words:?}: {}",
            parsed.unwrap_err()
        );
        taken += 1;
    }
    assert!(taken >= 4, "run, crds and check are shown");
}

#[tokio::test]
async fn an_incident_is_replayed_as_the_page_shows_it_and_an_audit_log_that_says_otherwise_is_found_out()
-> Result<()> {
    let incident = Incident::happen().await?;
    let shown = incident::shown();
    assert_eq!(shown.len(), 3, "--trip, --snapshot and --quiet");
    for (command, output) in &shown {
        incident.check(command, output)?;
    }
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
fn every_link_within_the_documentation_leads_somewhere() {
    for page in blocks::pages() {
        for (line, target) in page.links() {
            assert!(
                page.resolves(&target),
                "{}:{line}: {target} leads nowhere",
                page.path
            );
        }
    }
}

#[test]
fn every_sentence_has_a_line_of_its_own() {
    for page in blocks::pages() {
        for (line, text) in page.prose() {
            // A heading may have a number, and a table row is no prose.
            let prose = !text.starts_with(['|', '#']) && !text.contains("http");
            let split = text.split(". ").nth(1).unwrap_or_default();
            let begins = split.starts_with(|first: char| first.is_ascii_uppercase());
            assert!(
                !(prose && begins),
                "{}:{line}: two sentences on one line: {text}",
                page.path
            );
        }
    }
}

#[test]
fn every_invariant_says_what_keeps_it() {
    let page = Page::read("docs/architecture.md");
    let (mut stated, mut kept) = (0, 0);
    for (_, text) in page.prose() {
        stated += usize::from(text.starts_with("**Invariant "));
        kept += usize::from(text.starts_with("*Kept by*"));
    }
    assert!(
        stated >= 7,
        "DESIGN's seven and whatever came after: {stated}"
    );
    assert_eq!(stated, kept);
}
