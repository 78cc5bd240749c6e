//! Linting files.

use std::fs;
use std::path::Path;

use clap::Parser;
use serde_json::Value;

use super::*;
use crate::cli::{Cli, Command};

const CRD: &str = "\
# The storefronts.
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: foos.example.com
spec:
  group: example.com
  names: {kind: Foo, plural: foos}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              labels:
                type: object
                additionalProperties:
                  type: integer
";

async fn run(arguments: &[&str]) -> (String, Result<bool, LintFailure>) {
    let all = ["fusegate", "lint"].iter().chain(arguments);
    let Command::Lint(lint) = Cli::try_parse_from(all).unwrap().command else {
        panic!("not lint")
    };
    let mut out = Vec::new();
    let ended = lint.print(Colours::none(), &mut out).await;
    (String::from_utf8(out).unwrap(), ended)
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn findings_stand_at_their_line_and_each_rule_is_explained_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "crd.yaml", CRD);
    let (text, ended) = run(&[&path]).await;
    assert!(!ended.unwrap());
    insta::assert_snapshot!(text.replace(&path, "crd.yaml"), @r#"
    crd.yaml:25: versions[v1].spec.labels: map-without-bound: add maxProperties
    crd.yaml:25: versions[v1].spec.labels: map-without-key-rule: add a rule to x-kubernetes-validations such as self.all(key, key in ['a', 'b'])

    map-without-bound (1): without maxProperties one writer can fill an object up to the 1.5 MiB that etcd takes, and CEL rules are priced as if a map held hundreds of thousands of entries

    map-without-key-rule (1): keys of any name and length are stored, since a schema has no word for keys; only a CEL rule restricts them

    1 definition, 2 findings
    "#);
}

#[tokio::test]
async fn a_ratchet_shows_only_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let old = write(folder.path(), "old.yaml", CRD);
    let new = CRD.replace(
        "labels:",
        "labels: {type: array, items: {type: integer}}\n              keys:",
    );
    let new = write(folder.path(), "new.yaml", &new);
    let (text, ended) = run(&[&new, "--ratchet", &new]).await;
    assert!(ended.unwrap(), "{text}");
    let (text, ended) = run(&[&new, "--ratchet", &old]).await;
    assert!(!ended.unwrap());
    assert!(
        text.contains("spec.keys") && text.contains("spec.labels: list-without-bound"),
        "{text}"
    );
    assert!(!text.contains("spec.labels: map-without-bound"), "{text}");
}

#[tokio::test]
async fn a_fix_mends_the_file_and_touches_no_other_document() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "crd.yaml", CRD);
    let (text, ended) = run(&[&path, "--fix"]).await;
    assert!(ended.unwrap(), "{text}");
    assert!(text.contains("foos.example.com: 2 mended in"), "{text}");
    let mended = fs::read_to_string(&path).unwrap();
    assert!(
        mended.starts_with("# The storefronts.\napiVersion: v1\nkind: ConfigMap"),
        "{mended}"
    );
    let (text, ended) = run(&[&path]).await;
    assert!(ended.unwrap(), "{text}");
    assert_eq!(text, "1 definition, 0 findings\n");
}

#[tokio::test]
async fn json_has_the_patch_and_sarif_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "crd.yaml", CRD);
    let (text, _) = run(&[&path, "-o", "json"]).await;
    let json: Value = serde_json::from_str(&text).unwrap();
    let finding = &json["definitions"][0]["findings"][0];
    assert_eq!(finding["rule"], "map-without-bound");
    let pointer = format!("{}/maxProperties", finding["pointer"].as_str().unwrap());
    assert_eq!(finding["patch"][0]["path"], pointer);
    let (text, _) = run(&[&path, "-o", "sarif"]).await;
    let sarif: Value = serde_json::from_str(&text).unwrap();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "map-without-bound");
    let region = &result["locations"][0]["physicalLocation"]["region"];
    assert_eq!(region["startLine"], 25);
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"]
        .as_array()
        .unwrap();
    assert_eq!(rules.len(), Rule::ALL.len());
}

#[tokio::test]
async fn an_item_of_a_list_is_mended_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let json: Value = serde_saphyr::from_str(CRD.split_once("---\n").unwrap().1).unwrap();
    let list = serde_json::json!({"kind": "List", "items": [json]});
    let path = write(folder.path(), "list.json", &list.to_string());
    let (text, ended) = run(&[&path, "--fix"]).await;
    assert!(ended.unwrap(), "{text}");
    let (text, ended) = run(&[&path]).await;
    assert!(ended.unwrap(), "{text}");
}
