//! Two files compared.

use std::fs;

use clap::Parser;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::cli::{Cli, Command};

fn crd(kind: &str, schema: &Value) -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{}s.example.com", kind.to_lowercase())},
        "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"kind": kind, "plural": format!("{}s", kind.to_lowercase())},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema}}]},
    })
}

async fn diff(old: &[Value], new: &[Value], more: &[&str]) -> (String, Result<bool, DiffFailure>) {
    let folder = tempfile::tempdir().unwrap();
    let paths = [("old.yaml", old), ("new.yaml", new)].map(|(name, documents)| {
        let path = folder.path().join(name);
        let texts: Vec<_> = documents.iter().map(Value::to_string).collect();
        fs::write(&path, texts.join("\n---\n")).unwrap();
        path.display().to_string()
    });
    let all = ["fusegate", "diff", &paths[0], &paths[1]];
    let cli = Cli::try_parse_from(all.iter().chain(more)).unwrap();
    let Command::Diff(diff) = cli.command else {
        panic!("not diff")
    };
    let mut out = Vec::new();
    let ended = diff.print(Colours::none(), &mut out).await;
    (String::from_utf8(out).unwrap(), ended)
}

#[tokio::test]
async fn changes_are_told_worst_first_with_rule_and_reason() {
    let old = json!({"type": "object", "properties":
        {"a": {"type": "string"}, "b": {"maximum": 5}, "c": {"description": "x"}}});
    let new = json!({"type": "object", "properties":
        {"a": {"type": "integer"}, "b": {"maximum": 4}, "c": {"description": "y"}}});
    let (text, ended) = diff(&[crd("Foo", &old)], &[crd("Foo", &new)], &[]).await;
    assert!(!ended.unwrap());
    insta::assert_snapshot!(text, @r#"
    foos.example.com
      Unsafe         versions[v1].a: type would go from "string" to "integer"
                     type: stored objects of the old type become invalid, and clients decode them wrongly
      Conditional    versions[v1].b: maximum would go from 5 to 4
                     maximum: objects outside the new bound can't be created, and can't be changed there
      Safe           versions[v1].c: description would go from "x" to "y"
                     description: it is text for people
      3 changes: 1 Unsafe, 1 Conditional, 1 Safe
    "#);
}

#[rstest]
#[case(json!({"maximum": 4}), &[], false)]
#[case(json!({"maximum": 4}), &["--fail-on", "unsafe"], true)]
#[case(json!({"maximum": 6}), &[], true)]
#[case(json!({"maximum": 5}), &[], true)]
#[case(json!({"maximum": 5, "type": "string"}), &["--fail-on", "unsafe"], false)]
#[case(json!({"maximum": 5, "later": 1}), &["--fail-on", "unsafe"], false)]
#[tokio::test]
async fn the_answer_depends_on_the_worst_class(
    #[case] new: Value,
    #[case] more: &[&str],
    #[case] fine: bool,
) {
    let (text, ended) = diff(
        &[crd("Foo", &json!({"maximum": 5}))],
        &[crd("Foo", &new)],
        more,
    )
    .await;
    assert_eq!(ended.unwrap(), fine, "{text}");
}

#[tokio::test]
async fn json_says_the_same_as_text() {
    let (old, new) = (json!({"maximum": 5}), json!({"maximum": 4}));
    let (text, _) = diff(&[crd("Foo", &old)], &[crd("Foo", &new)], &["-o", "json"]).await;
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["class"], "Conditional");
    let change = &json["definitions"][0]["changes"][0];
    assert_eq!(change["rule"], "maximum");
    assert_eq!(change["dependsOn"], "Objects");
    assert_eq!(change["path"], "versions[v1]");
}

#[tokio::test]
async fn a_definition_that_goes_takes_its_objects_along() {
    let (foo, bar) = (crd("Foo", &json!({})), crd("Bar", &json!({})));
    let (text, ended) = diff(&[foo.clone(), bar.clone()], std::slice::from_ref(&bar), &[]).await;
    assert!(!ended.unwrap());
    assert!(text.contains("definitionRemoval"), "{text}");
    let (text, ended) = diff(std::slice::from_ref(&bar), &[foo, bar.clone()], &[]).await;
    assert!(ended.unwrap(), "{text}");
}

#[tokio::test]
async fn a_file_without_a_definition_is_refused_by_name() {
    let (_, ended) = diff(
        &[crd("Foo", &json!({}))],
        &[json!({"kind": "ConfigMap"})],
        &[],
    )
    .await;
    let failure = ended.unwrap_err().to_string();
    assert!(
        failure.contains("new.yaml has no CustomResourceDefinition"),
        "{failure}"
    );
    let twice = [crd("Foo", &json!({})), crd("Foo", &json!({}))];
    let (_, ended) = diff(&twice, &[crd("Foo", &json!({}))], &[]).await;
    assert!(
        ended
            .unwrap_err()
            .to_string()
            .contains("foos.example.com twice")
    );
}
