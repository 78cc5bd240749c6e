//! Rollbacks in a directory that a person asks for.

use std::fs;
use std::sync::Arc;

use clap::Parser as _;
use serde_json::{Value, json};

use super::*;
use crate::cli::{Cli, Command};
use crate::revision::hash;
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

/// A CRD whose sizes went from 5 to 9, and an object.
fn folder(size: u32) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    for (number, maximum) in [(1, 3), (2, 5), (3, 9)] {
        let stored = StoredRevision {
            crd: CRD.into(),
            crd_uid: "uid".into(),
            number,
            hash: hash(&spec(maximum)).into(),
            seen_at: 1_700_000_000_000 + i64::try_from(number).unwrap(),
            bad: (number == 1).then(|| "trip-0".into()),
            spec: Arc::new(spec(maximum)),
        };
        let path = layout.revision_path(CRD, number);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, serde_json::to_vec(&stored).unwrap()).unwrap();
    }
    let contract = json!({"apiVersion": "fusegate.io/v1alpha1", "kind": "ConditionContract", "metadata": {"name": CRD},
        "spec": {"target": {"group": "example.com", "kind": "Foo"}, "conditions": [{"key": "a", "type": "Number"}],
            "rollback": {"mode": "Propose"}}});
    let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": CRD}, "spec": spec(9)});
    let foo = json!({"apiVersion": "example.com/v1", "kind": "Foo", "metadata": {"name": "front", "namespace": "shop"},
        "size": size});
    for (name, object) in [("contract", contract), ("crd", crd), ("front", foo)] {
        fs::write(
            folder.path().join(format!("{name}.json")),
            object.to_string(),
        )
        .unwrap();
    }
    folder
}

async fn run(folder: &tempfile::TempDir, arguments: &[&str]) -> (String, Result<bool, String>) {
    let source = format!("dir:{}", folder.path().display());
    let all = ["fusegate", "rollback", CRD, "--source", &source];
    let cli = Cli::try_parse_from(all.iter().chain(arguments)).unwrap();
    let Command::Rollback(rollback) = cli.command else {
        panic!("not rollback");
    };
    let mut out = Vec::new();
    let ended = rollback.print(Colours::none(), false, &mut out).await;
    let ended = ended.map_err(|failure| failure.to_string());
    (String::from_utf8(out).unwrap(), ended)
}

fn live(folder: &tempfile::TempDir) -> Value {
    let text = fs::read_to_string(folder.path().join("crd.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["spec"].clone()
}

#[tokio::test]
async fn a_trial_says_what_each_check_found_and_writes_nothing() {
    let folder = folder(7);
    let (text, ended) = run(&folder, &["--dry-run"]).await;
    assert_eq!(ended, Ok(false));
    insta::assert_snapshot!(text, @r#"
    foos.example.com: revision 3 (live) to revision 2
      owner            passed  written by nobody that is known
      dry run          passed  there is no API server to ask
      stored versions  passed  where objects are stored is not known; no migration runs
      objects          failed  going back to revision 2 of foos.example.com would harm 1 of 1 objects: size: no write would be accepted, by maximum (7), in shop/front; change these objects first, or roll forward
      conversion       passed  there is none
      was live here    passed  last made live at 2023-11-14T22:13:20.002Z
      cooldown         passed  no other rollback is known
      changes          passed  none does harm whatever objects there are
    it would not be rolled back: WouldBeInvalid
    "#);
    assert_eq!(live(&folder), spec(9));
    assert!(!folder.path().join(".fusegate/status").exists());
}

#[tokio::test]
async fn a_rollback_that_harms_no_object_is_done_and_told_of() {
    let folder = folder(4);
    let (text, ended) = run(&folder, &[]).await;
    assert_eq!(ended, Ok(true), "{text}");
    insta::assert_snapshot!(text, @r#"
    foos.example.com: revision 3 (live) to revision 2
      owner            passed  written by nobody that is known
      dry run          passed  there is no API server to ask
      stored versions  passed  where objects are stored is not known; no migration runs
      objects          passed  1 judged in v1; none would be harmed
      conversion       passed  there is none
      was live here    passed  last made live at 2023-11-14T22:13:20.002Z
      cooldown         passed  no other rollback is known
      changes          passed  none does harm whatever objects there are
    rolled back to revision 2
    "#);
    assert_eq!(live(&folder), spec(5));
    let status = folder
        .path()
        .join(".fusegate/status/ConditionContract..foos.example.com.json");
    let status: Value = serde_json::from_slice(&fs::read(status).unwrap()).unwrap();
    assert_eq!(status["incidents"][0]["state"], "RolledBack");
    let (text, ended) = run(&folder, &["--to", "2"]).await;
    assert_eq!(
        (text.as_str(), ended),
        ("foos.example.com has that schema already\n", Ok(true))
    );
}

#[tokio::test]
async fn one_check_stops_a_rollback_and_the_file_stays() {
    let folder = folder(7);
    let before = fs::read(folder.path().join("crd.json")).unwrap();
    let (text, ended) = run(&folder, &["--to", "2"]).await;
    assert_eq!(ended, Ok(false));
    assert!(
        text.ends_with("not rolled back: WouldBeInvalid\n"),
        "{text}"
    );
    assert_eq!(fs::read(folder.path().join("crd.json")).unwrap(), before);
}

#[tokio::test]
async fn what_can_not_be_gone_to_is_named() {
    let folder = folder(4);
    let failure = |ended: Result<bool, String>| ended.unwrap_err();
    let (_, ended) = run(&folder, &["--to", "1"]).await;
    assert!(failure(ended).contains("revision 1 of foos.example.com is marked bad by trip-0"));
    let (_, ended) = run(&folder, &["--to", "8"]).await;
    assert!(failure(ended).contains("there is no revision 8"));
    fs::remove_file(folder.path().join("contract.json")).unwrap();
    let (_, ended) = run(&folder, &[]).await;
    assert!(failure(ended).contains("no ConditionContract names Foo of foos.example.com"));
}
