//! The architecture: the walls and habits of `docs/architecture.md`, kept by reading the tree.
//!
//! Cargo keeps the outer walls (`crds` and `xds` are crates). What runs inside a crate no
//! compiler keeps, so these tests read every source file and name file, line and rule.

mod circles;
mod habits;
mod paths;
mod published;
mod scan;
mod tree;
mod violation;
mod walls;

use std::collections::BTreeSet;

use self::circles::Arrows;
use self::tree::{Source, Tree};
use self::violation::Violation;

fn assert_none(violations: &[Violation]) {
    let list: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(list.is_empty(), "\n{}\n", list.join("\n"));
}

#[test]
fn no_folder_reaches_over_its_walls() {
    let tree = Tree::read();
    let crates = tree::dependencies();
    let over = |source: &Source| walls::violations(source, &crates);
    assert_none(&tree.sources.iter().flat_map(over).collect::<Vec<_>>());
}

#[test]
fn every_wall_stands_around_something() {
    let tree = Tree::read();
    for place in walls::places() {
        let stands = tree
            .sources
            .iter()
            .any(|source| walls::lies_in(&source.path, place));
        assert!(
            stands,
            "the wall around {place} guards nothing: was it moved?"
        );
    }
}

#[test]
fn no_files_name_each_other_in_a_circle() {
    let tree = Tree::read();
    let arrows = Arrows::of(&tree.sources);
    let circles: Vec<String> = arrows
        .circles()
        .iter()
        .map(|files| files.join(" "))
        .collect();
    assert!(
        circles.is_empty(),
        "{} of {} arrows; move what both sides need into a file of its own:\n{}",
        circles.len(),
        arrows.count(),
        circles.join("\n")
    );
}

#[test]
fn every_file_keeps_the_habits_of_the_house() {
    let tree = Tree::read();
    assert_none(
        &tree
            .sources
            .iter()
            .flat_map(habits::violations)
            .collect::<Vec<_>>(),
    );
}

#[test]
fn the_library_shows_nobody_what_it_is_made_of() {
    let tree = Tree::read();
    let found = tree.sources.iter().flat_map(published::violations);
    assert_none(&found.collect::<Vec<_>>());
}

#[test]
fn the_top_level_holds_what_the_map_names_and_nothing_else() {
    let required = [
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "Makefile",
        "README.md",
        "crds",
        "docs",
        "src",
        "tests",
        "xds",
    ];
    let known = ["deploy"];
    let found: BTreeSet<String> = tree::top_level();
    let strangers: Vec<&String> = found
        .iter()
        .filter(|name| !known.contains(&name.as_str()) && !required.contains(&name.as_str()))
        .collect();
    assert!(
        strangers.is_empty(),
        "the top level is fixed, see docs/architecture.md: {strangers:?}"
    );
    let missing: Vec<&str> = required
        .into_iter()
        .filter(|name| !found.contains(*name))
        .collect();
    assert!(
        missing.is_empty(),
        "the map names what is not there: {missing:?}"
    );
}

/// A test that can't fail is a defect: each rule is shown a file that breaks it.
mod shown_a_breach {
    use std::collections::BTreeSet;

    use rstest::rstest;

    use super::circles::Arrows;
    use super::tree::Source;
    use super::{habits, published, walls};

    fn crates() -> BTreeSet<String> {
        [
            "tokio",
            "kube",
            "tonic",
            "envoy_types",
            "serde",
            "anyhow",
            "axum",
            "fusegate_crds",
        ]
        .map(String::from)
        .into()
    }

    #[rstest]
    #[case::imported(
        "use imbl::{OrdMap, OrdSet};\npub fn all(&self) -> &OrdMap<u8, u8> {}",
        true
    )]
    #[case::whole_path("pub fn all(&self) -> &imbl::Vector<u8> {}", true)]
    #[case::inside(
        "use imbl::OrdMap;\npub(crate) fn all(&self) -> &OrdMap<u8, u8> {}",
        false
    )]
    #[case::other(
        "use std::collections::HashMap;\npub fn all(&self) -> HashMap<u8, u8> {}",
        false
    )]
    fn a_public_item_that_names_a_private_crate(#[case] text: &str, #[case] breach: bool) {
        let source = Source::new("xds/src/snapshot.rs", &format!("//! A noun.\n{text}"));
        assert_eq!(!published::violations(&source).is_empty(), breach);
    }

    /// Everything told of a file, a line each.
    fn told(path: &str, text: &str) -> String {
        let source = Source::new(path, &format!("//! A noun.\n{text}"));
        let mut all = walls::violations(&source, &crates());
        all.extend(habits::violations(&source));
        let lines: Vec<String> = all.iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    #[rstest]
    #[case::breaker_async(
        "src/breaker/step.rs",
        "use tokio::sync::watch;",
        "src/breaker/step.rs:2: `tokio::sync::watch`"
    )]
    #[case::breaker_serde(
        "src/breaker/circuit.rs",
        "#[derive(serde::Serialize)]\nstruct A;",
        "`serde::Serialize`"
    )]
    #[case::breaker_inside(
        "src/breaker.rs",
        "use crate::{engine::Engine, breaker::step};",
        "`crate::engine::Engine`"
    )]
    #[case::breaker_upwards(
        "src/breaker/step.rs",
        "use super::super::policy::layer;",
        "`crate::policy::layer`"
    )]
    #[case::breaker_awaits("src/breaker/step.rs", "async fn a() {}", "`async`")]
    #[case::condition_io(
        "src/condition/json.rs",
        "fn a() { std::fs::read(\"x\"); }",
        "`std::fs::read`"
    )]
    #[case::policy_crds(
        "src/policy/layer.rs",
        "use fusegate_crds::Shed;",
        "`fusegate_crds::Shed`"
    )]
    #[case::translate_clock("src/translate.rs", "use std::time::Instant;", "`std::time::Instant`")]
    #[case::engine_envoy(
        "src/engine/publish.rs",
        "use envoy_types::pb::A;",
        "`envoy_types::pb::A`"
    )]
    #[case::engine_executor(
        "src/engine/publish.rs",
        "use crate::effects::alert::Pager;",
        "`crate::effects::alert::Pager`"
    )]
    #[case::engine_input_output(
        "src/engine/outputs/alert.rs",
        "use crate::engine::circuits::step;",
        "`crate::engine::circuits::step`"
    )]
    #[case::engine_state_output(
        "src/engine/state/policy.rs",
        "use crate::engine::outputs::outbox::Outbox;",
        "`crate::engine::outputs::outbox::Outbox`"
    )]
    #[case::engine_circuit_input(
        "src/engine/circuits/step.rs",
        "use crate::engine::inputs::feed;",
        "`crate::engine::inputs::feed`"
    )]
    #[case::engine_output_engine(
        "src/engine/outputs/audit.rs",
        "use crate::engine::parts::Engine;",
        "`crate::engine::parts::Engine`"
    )]
    #[case::engine_input_doors(
        "src/engine/inputs/feed.rs",
        "use crate::engine::Engine;",
        "`crate::engine::Engine`"
    )]
    #[case::effects_engine(
        "src/effects/alert.rs",
        "use crate::engine::output::Output;",
        "`crate::engine::output::Output`"
    )]
    #[case::serve_kube("src/serve/gate.rs", "use kube::Client;", "`kube::Client`")]
    #[case::serve_events(
        "src/serve/gate.rs",
        "use crate::wire::event::Event;",
        "`crate::wire::event::Event`"
    )]
    #[case::source_breaker(
        "src/source/kube.rs",
        "use crate::breaker::step;",
        "`crate::breaker::step`"
    )]
    #[case::xds_core("xds/src/sotw.rs", "use tokio::time;", "`tokio::time`")]
    #[case::xds_store("xds/src/store.rs", "use tonic::Status;", "`tonic::Status`")]
    #[case::xds_kube("xds/src/server/stream.rs", "use kube::Api;", "`kube::Api`")]
    #[case::crds_client("crds/src/lib.rs", "use kube::Client;", "`kube::Client`")]
    #[case::anyhow(
        "src/effects/alert.rs",
        "fn a() -> anyhow::Result<()> {}",
        "`anyhow::Result`"
    )]
    #[case::clock(
        "src/source/dir.rs",
        "fn a() { std::time::Instant::now(); }",
        "`std::time::Instant::now`"
    )]
    #[case::unbounded(
        "src/app.rs",
        "use tokio::sync::mpsc::unbounded_channel;",
        "`tokio::sync::mpsc::unbounded_channel`"
    )]
    #[case::glob("src/effects.rs", "pub use alert::*;", "glob re-export")]
    #[case::nested_glob(
        "src/effects.rs",
        "pub use alert::{Pager, retry::*};",
        "glob re-export"
    )]
    #[case::unfinished("src/app.rs", "fn a() { todo!() }", "`todo!`")]
    #[case::ignored("tests/chain.rs", "#[ignore]\nfn a() {}", "`#[ignore]`")]
    #[case::ignored_with_a_reason(
        "tests/chain.rs",
        "#[ignore = \"slow\"]\nfn a() {}",
        "`#[ignore]`"
    )]
    #[case::sleeping_test(
        "src/serve/gate/tests.rs",
        "fn a() { std::thread::sleep(B); }",
        "`std::thread::sleep`"
    )]
    #[case::long_name(
        "src/serve/gate/tests.rs",
        "fn a_gate_passes_only_once_there_is_evidence_and_a_policy_nobody_knows_is_a_mistake() {}",
        "a name of 80 characters; 69 are enough"
    )]
    #[case::module_file("src/serve/mod.rs", "", "`foo.rs` beside `foo/`")]
    fn a_breach_is_told_with_file_line_and_rule(
        #[case] path: &str,
        #[case] text: &str,
        #[case] expected: &str,
    ) {
        let told = told(path, text);
        assert!(
            told.contains(expected),
            "nothing told of {expected}: {told:?}"
        );
        assert!(told.starts_with(path), "{told}");
    }

    #[test]
    fn a_file_that_is_too_long_or_defines_no_noun_is_told() {
        let long = told("src/app.rs", &"fn a() {}\n".repeat(400));
        assert!(long.contains("src/app.rs:401: 401 lines"), "{long}");
        let mut nameless = habits::violations(&Source::new("src/app.rs", "use std::fmt;\n"));
        assert!(
            nameless
                .remove(0)
                .to_string()
                .contains("src/app.rs:1: the first line")
        );
    }

    #[test]
    fn a_circle_of_files_is_found_and_a_tree_is_none() {
        let circles = |third: &str| {
            let sources = [
                Source::new("src/lint/one.rs", "use crate::lint::{two::Two, three};"),
                Source::new("src/lint/two.rs", "fn a() -> super::three::Three {}"),
                Source::new("src/lint/three.rs", third),
            ];
            let circles = Arrows::of(&sources).circles();
            let circles = circles.iter().map(|files| files.join(" "));
            circles.collect::<Vec<_>>()
        };
        let none: [&str; 0] = [];
        assert_eq!(circles("use crate::condition::Kind;"), none);
        assert_eq!(
            circles("use crate::lint::one;"),
            ["src/lint/one.rs src/lint/three.rs src/lint/two.rs"]
        );
    }

    #[rstest]
    #[case::comment(
        "src/breaker/step.rs",
        "// tokio::spawn is elsewhere\n/* kube::Client /* nested */ todo!() */"
    )]
    #[case::text(
        "src/breaker/step.rs",
        "const A: &str = \"tokio::spawn \\\" todo!()\"; const B: &str = r#\"kube::Api \"todo!()\"#;"
    )]
    #[case::lifetimes(
        "src/breaker/step.rs",
        "fn a<'a>(b: &'a str) -> char { '\"' }\nfn c() -> char { '\\'' }"
    )]
    #[case::in_file_tests(
        "src/breaker/step.rs",
        "fn a() {}\n#[cfg(test)]\nmod tests {\n    use tokio::time;\n    fn b() { if c { d } }\n}\n"
    )]
    #[case::test_file("src/breaker/step/tests.rs", "use tokio::time;")]
    #[case::helper_of_tests("src/breaker/tests/world.rs", "use tokio::time;")]
    #[case::permitted(
        "src/serve/gate.rs",
        "use crate::wire::event::GroupKind;\nuse axum::Router;"
    )]
    #[case::own_word("src/breaker/step.rs", "use std::fmt;\nlet kube = tokio.next();")]
    fn what_breaks_no_rule_is_not_told(#[case] path: &str, #[case] text: &str) {
        assert_eq!(told(path, text), "");
    }
}
