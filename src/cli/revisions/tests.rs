//! The list of revisions, out of a directory.

use std::fs;
use std::sync::Arc;

use clap::Parser;
use serde_json::json;

use super::*;
use crate::cli::{Cli, Command};
use crate::source::dir::layout::{Layout, StoredRevision};

const CRD: &str = "foos.example.com";

fn spec(maximum: u32) -> Value {
    json!({
        "group": "example.com", "scope": "Namespaced", "names": {"kind": "Foo", "plural": "foos"},
        "versions": [{"name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": {"type": "object", "properties":
                {"size": {"type": "integer", "maximum": maximum}}}}}],
    })
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    for (number, maximum, bad) in [(1, 5, None), (2, 3, Some("trip-1"))] {
        let stored = StoredRevision {
            crd: CRD.into(),
            crd_uid: "uid".into(),
            number,
            hash: hash(&spec(maximum)).into(),
            seen_at: 1_700_000_000_000,
            bad: bad.map(Into::into),
            spec: Arc::new(spec(maximum)),
        };
        let path = layout.revision_path(CRD, number);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, serde_json::to_vec(&stored).unwrap()).unwrap();
    }
    let live = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": CRD}, "spec": spec(3)});
    fs::write(folder.path().join("crd.yaml"), live.to_string()).unwrap();
    folder
}

/// What a command prints in a directory, and how it ends.
async fn printed(folder: &tempfile::TempDir, arguments: &[&str]) -> (String, Option<bool>) {
    let source = format!("dir:{}", folder.path().display());
    let all = ["fusegate"].into_iter().chain(arguments.iter().copied());
    let cli = Cli::try_parse_from(all.chain(["--source", &source])).unwrap();
    let mut out = Vec::new();
    let ended = match cli.command {
        Command::Revisions(revisions) => revisions.print(&mut out).await.ok().map(|()| true),
        Command::Diff(diff) => {
            let colours = crate::cli::style::Colours::none();
            diff.print(colours, &mut out).await.ok()
        }
        other => panic!("{other:?}"),
    };
    (String::from_utf8(out).unwrap(), ended)
}

#[tokio::test]
async fn revisions_are_listed_with_what_they_changed() {
    let (text, _) = printed(&folder(), &["revisions", CRD]).await;
    insta::assert_snapshot!(text, @r#"
    REVISION  HASH          LAST LIVE                 STATE  MARKED BAD BY  CHANGE
    1         0316e7131be5  2023-11-14T22:13:20.000Z
    2         46bf901fcf68  2023-11-14T22:13:20.000Z  live   trip-1         Conditional
    "#);
}

#[tokio::test]
async fn a_revision_is_shown_as_a_definition_that_can_be_applied() {
    let (text, _) = printed(&folder(), &["revisions", CRD, "--show", "1"]).await;
    let shown: Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(shown["metadata"]["name"], CRD);
    assert_eq!(shown["spec"], spec(5));
}

#[tokio::test]
async fn a_revision_is_compared_with_the_live_schema() {
    let folder = folder();
    let (text, fine) = printed(
        &folder,
        &["diff", "foos.example.com@live", "foos.example.com@1"],
    )
    .await;
    assert_eq!(fine, Some(true));
    insta::assert_snapshot!(text, @r#"
    foos.example.com
      Safe           versions[v1].size: maximum would go from 3 to 5
                     maximum: it only lets more in
      1 change: 1 Safe
    "#);
    let (text, fine) = printed(
        &folder,
        &["diff", "foos.example.com@1", "foos.example.com@live"],
    )
    .await;
    assert_eq!(fine, Some(false));
    insta::assert_snapshot!(text, @r#"
    foos.example.com
      Conditional    versions[v1].size: maximum would go from 5 to 3
                     maximum: objects outside the new bound can't be created, and can't be changed there
      1 change: 1 Conditional
    "#);
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let folder = folder();
    let source = format!("dir:{}", folder.path().display());
    for (arguments, expected) in [
        (
            ["bars.example.com@live", "-"],
            "there is no CRD bars.example.com",
        ),
        (
            ["foos.example.com@9", "-"],
            "there is no revision 9 of foos.example.com",
        ),
    ] {
        let all = [
            "fusegate",
            "diff",
            arguments[0],
            arguments[1],
            "--source",
            &source,
        ];
        let Command::Diff(diff) = Cli::try_parse_from(all).unwrap().command else {
            panic!("not diff")
        };
        let failure = diff
            .print(crate::cli::style::Colours::none(), &mut Vec::new())
            .await;
        let failure = failure.unwrap_err().to_string();
        assert!(failure.contains(expected), "{failure}");
    }
}
