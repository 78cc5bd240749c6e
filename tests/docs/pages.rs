//! The pages: every example, exchange, command and link in them holds.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use axum::http::StatusCode;
use clap::Parser as _;
use fusegate::cli::Cli;
use fusegate::runtime::metrics::Bound;
use fusegate_crds::{CircuitOverride, CircuitPolicy, ConditionContract, Problem, strict};
use serde_json::Value;

use super::blocks::Page;
use super::example::{self, Exchange};
use super::{blocks, documents};

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

#[test]
fn every_link_within_the_documentation_leads_somewhere() {
    let mut followed = 0;
    for page in blocks::pages() {
        for (line, target) in page.links() {
            assert!(
                page.resolves(&target),
                "{}:{line}: {target} leads nowhere",
                page.path
            );
            followed += 1;
        }
    }
    assert!(followed > 50, "{followed} links were found");
}

#[test]
fn every_source_file_that_a_page_names_is_there() {
    let mut named = 0;
    for page in blocks::pages() {
        for name in source_files(&page.text) {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
            assert!(path.is_file(), "{}: there is no {name}", page.path);
            named += 1;
        }
    }
    assert!(named > 8, "{named} files were named");
}

#[test]
fn the_way_of_a_status_write_names_at_most_eight_files() {
    let text = Page::read("docs/architecture.md").text;
    let (_, way) = text.split_once("## A status write, file by file").unwrap();
    let (way, _) = way.split_once("\n## ").unwrap();
    let files: BTreeSet<&str> = source_files(way).collect();
    assert!((5..=8).contains(&files.len()), "{files:?}");
}

/// The source files that stand in a text as code: `src/engine.rs`.
fn source_files(text: &str) -> impl Iterator<Item = &str> {
    let code = text.split('`').skip(1).step_by(2);
    code.filter(|code| {
        code.contains("src/") && Path::new(code).extension().is_some_and(|end| end == "rs")
    })
    .filter(|code| !code.contains(['{', '*', ' ']))
}

#[test]
fn a_link_to_no_file_or_no_heading_is_found() {
    let page = Page::read("docs/concepts.md");
    assert!(page.resolves("glossary.md"));
    assert!(page.resolves("#the-three-kinds"));
    assert!(page.resolves("../CONTRIBUTING.md#how-to-add"));
    for target in [
        "glossar.md",
        "#the-four-kinds",
        "../CONTRIBUTING.md#nothing",
    ] {
        assert!(!page.resolves(target), "{target}");
    }
}

#[test]
fn every_sentence_has_a_line_of_its_own() {
    for page in blocks::pages() {
        for (line, text) in page.prose() {
            // A heading and an item may have a number, and a table row is no prose.
            let prose = !text.starts_with(['|', '#']) && !text.contains("http");
            let text = text.trim_start_matches([' ', '-', '[']);
            let text = text.trim_start_matches(|c: char| c.is_ascii_digit());
            let text = text.trim_start_matches(". ");
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

#[test]
fn every_bound_that_can_be_met_is_on_its_page() {
    let page = Page::read("docs/bounds.md");
    for bound in Bound::ALL {
        let name = format!("`{}`", bound.name());
        assert!(page.text.contains(&name), "docs/bounds.md lacks {name}");
    }
}

#[test]
fn every_alert_has_a_runbook_with_its_four_parts() {
    let rules = fs::read_to_string("deploy/prometheus/rules.yaml").unwrap();
    let rules: Value = serde_saphyr::from_str(&rules).unwrap();
    let rules = rules["groups"][0]["rules"].as_array().unwrap();
    let of_rules = rules.iter().map(|rule| {
        let alert = rule["alert"].as_str().unwrap();
        let url = rule["annotations"]["runbook_url"].as_str();
        let url = url.unwrap_or_else(|| panic!("{alert} links no runbook"));
        assert!(url.ends_with(&format!("/{alert}")), "{alert} links {url}");
        alert.to_owned()
    });
    let index = Page::read("docs/runbooks/README.md");
    for alert in of_rules.chain(
        [
            "CircuitBreakerInhibited",
            "CircuitBreakerOpen",
            "CircuitBreakerSuppressed",
        ]
        .map(String::from),
    ) {
        let page = Page::read(&format!("docs/runbooks/{alert}.md"));
        let headings = page.prose().into_iter().map(|(_, line)| line);
        let headings: Vec<&str> = headings.filter(|line| line.starts_with('#')).collect();
        let title = format!("# {alert}");
        let parts = ["## Meaning", "## Impact", "## Diagnosis", "## Mitigation"];
        assert_eq!(headings[0], title, "{}", page.path);
        assert_eq!(headings[1..], parts, "{}", page.path);
        let linked = index.text.contains(&format!("({alert}.md)"));
        assert!(linked, "{} does not link {alert}", index.path);
    }
}

#[test]
fn the_book_has_every_page() {
    let summary = Page::read("docs/SUMMARY.md").text;
    for page in blocks::pages() {
        let Some(name) = page.path.strip_prefix("docs/") else {
            continue;
        };
        let listed = name == "SUMMARY.md" || summary.contains(&format!("({name})"));
        assert!(listed, "docs/SUMMARY.md lacks {name}");
    }
}
