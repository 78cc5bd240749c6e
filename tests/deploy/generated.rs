//! What is made from other files: the plain manifests from the chart, the chart's schema from the options, and its copies of files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use clap::{Arg, CommandFactory as _};
use fusegate::cli::Cli;
use serde_json::{Value, json};

use super::helm::{CHART, template};
use super::{path, read};

/// Compares a file with what it is made from, or writes it where that is asked for.
fn keep(below: &str, made: &str) {
    let file = path(below);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, made).unwrap();
    }
    let there = fs::read_to_string(&file).unwrap_or_default();
    assert!(there == made, "{below} is out of date; run: make generate");
}

/// A template's manifests, without what Helm says of where they are from.
fn plain(values: &[&Path], name: &str) -> Result<String> {
    let shown = format!("templates/{name}.yaml");
    let text = template(values, &["--show-only", &shown])?;
    let documents = text.split("---\n").map(|document| {
        let lines = document
            .lines()
            .filter(|line| !line.starts_with("# Source: "));
        lines.collect::<Vec<_>>().join("\n").trim().to_owned()
    });
    let documents: Vec<String> = documents.filter(|document| !document.is_empty()).collect();
    let made = format!("# Made from {CHART} by `make generate`: change it there.\n");
    Ok(format!("{made}{}\n", documents.join("\n---\n")))
}

#[test]
fn the_chart_has_the_files_that_it_copies() {
    let kinds = ["circuitoverrides", "circuitpolicies", "conditioncontracts"];
    for name in kinds.map(|kind| format!("fusegate.io_{kind}.yaml")) {
        let crd = read(&format!("crds/{name}"));
        keep(&format!("{CHART}/files/crds/{name}"), &crd);
    }
    let there = fs::read_dir(path("crds")).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().ends_with(".yaml")
    });
    assert_eq!(there.count(), kinds.len(), "another CRD");
    keep(
        &format!("{CHART}/files/rules.yaml"),
        &read("deploy/prometheus/rules.yaml"),
    );
    keep(
        &format!("{CHART}/files/dashboard.json"),
        &read("deploy/grafana/dashboard.json"),
    );
}

#[test]
fn the_plain_manifests_are_the_charts_rendering() -> Result<()> {
    for name in [
        "crds",
        "rbac",
        "services",
        "deployment",
        "disruption-budget",
        "network-policy",
    ] {
        keep(
            &format!("deploy/kubernetes/{name}.yaml"),
            &plain(&[], name)?,
        );
    }
    let certificates = path("deploy/mtls/values.yaml");
    for name in ["deployment", "certificates"] {
        let made = plain(&[&certificates], name)?;
        keep(&format!("deploy/mtls/{name}.yaml"), &made);
    }
    Ok(())
}

#[test]
fn the_values_have_every_option_of_run() {
    let file = format!("{CHART}/values.schema.json");
    let mut schema: Value = serde_json::from_str(&read(&file)).unwrap();
    let mut program = Cli::command();
    program.build();
    let run = program.find_subcommand("run").unwrap();
    let own = run
        .get_arguments()
        .filter(|arg| arg.get_long() != Some("help"));
    let options: BTreeMap<&str, Value> = own
        .filter_map(|arg| Some((arg.get_long()?, option_schema(arg))))
        .collect();
    assert!(options.len() > 20, "{options:?}");
    schema["properties"]["options"]["properties"] = json!(options);
    keep(&file, &format!("{schema:#}\n"));
}

/// What a value of an option may be; null takes it away.
fn option_schema(argument: &Arg) -> Value {
    let help = argument.get_help().map(ToString::to_string);
    let choices = argument.get_possible_values();
    let choices: Vec<&str> = choices
        .iter()
        .map(clap::builder::PossibleValue::get_name)
        .collect();
    let mut schema = if !argument.get_action().takes_values() {
        json!({"type": ["boolean", "null"]})
    } else if argument.get_value_delimiter().is_some() {
        json!({"type": ["array", "string", "null"], "items": {"type": "string"}})
    } else if choices.is_empty() {
        json!({"type": ["string", "integer", "null"]})
    } else {
        let choices = choices.into_iter().map(Value::from);
        json!({"enum": choices.chain([Value::Null]).collect::<Vec<_>>()})
    };
    schema["description"] = json!(help.unwrap_or_default());
    schema
}
