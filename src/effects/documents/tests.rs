//! Documents found, replaced and removed in files on disk.

use serde_json::json;

use super::*;

const FILE: &str = "# first
kind: A
metadata: {name: one}
text: |
  a
  ---
--- # second
kind: B   # kept
metadata: {name: two, namespace: shop}
---
---
kind: B
metadata: {name: three}
";

const TWO: Wanted<'_> = Wanted {
    kind: "B",
    namespace: "shop",
    name: "two",
};

#[test]
fn an_object_is_replaced_and_every_other_byte_stays() {
    let folder = folder(&[("a/deep/file.yaml", FILE)]);
    let found = Document::find(folder.path(), TWO).unwrap().unwrap();
    assert_eq!(found.object["metadata"]["namespace"], "shop");
    found
        .replace(&json!({"kind": "B", "new": [1, "2"]}))
        .unwrap();
    let text = read(&folder, "a/deep/file.yaml");
    let (before, rest) = text.split_once("--- # second\n").unwrap();
    let (document, after) = rest.split_once("---\n---\n").unwrap();
    assert_eq!(before, FILE.split_once("--- # second\n").unwrap().0);
    assert_eq!(after, "kind: B\nmetadata: {name: three}\n");
    let object: Value = serde_saphyr::from_str(document).unwrap();
    assert_eq!(object, json!({"kind": "B", "new": [1, "2"]}));
}

#[test]
fn an_object_is_removed_and_its_file_with_it_when_it_was_the_last() {
    let folder = folder(&[
        ("file.yaml", FILE),
        ("two.yml", "---\nkind: C\nmetadata: {name: two}\n---\n"),
    ]);
    Document::find(folder.path(), TWO)
        .unwrap()
        .unwrap()
        .remove()
        .unwrap();
    let text = read(&folder, "file.yaml");
    assert!(
        !text.contains("two") && text.contains("one") && text.contains("three"),
        "{text}"
    );
    let wanted = Wanted {
        kind: "C",
        namespace: "",
        name: "two",
    };
    Document::find(folder.path(), wanted)
        .unwrap()
        .unwrap()
        .remove()
        .unwrap();
    assert!(!folder.path().join("two.yml").exists());
}

#[test]
fn what_is_broken_hidden_foreign_or_outside_is_passed_over() {
    let outside = folder(&[("file.yaml", FILE)]);
    let folder = folder(&[
        ("broken.yaml", "kind: [B\nname: two"),
        (".fusegate/file.yaml", FILE),
        ("file.txt", FILE),
    ]);
    std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
    std::os::unix::fs::symlink("/no/where", folder.path().join("dangling.yaml")).unwrap();
    assert_eq!(Document::find(folder.path(), TWO).unwrap(), None);
    assert!(Document::find(&folder.path().join("none"), TWO).is_err());
}

#[test]
fn a_link_within_the_folder_is_followed_and_stays_a_link() {
    let folder = folder(&[("real/file.yaml", FILE)]);
    let link = folder.path().join("a.yaml");
    std::os::unix::fs::symlink("real/file.yaml", &link).unwrap();
    let found = Document::find(folder.path(), TWO).unwrap().unwrap();
    found.replace(&json!({"kind": "B"})).unwrap();
    assert!(link.is_symlink());
    assert_eq!(read(&folder, "a.yaml"), read(&folder, "real/file.yaml"));
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn read(folder: &tempfile::TempDir, path: &str) -> String {
    fs::read_to_string(folder.path().join(path)).unwrap()
}

#[test]
fn every_form_is_written_back_in_kind() {
    let line = r#"{"kind":"B","metadata":{"name":"two"}}"#;
    let pretty = "{\n  \"kind\": \"B\",\n  \"metadata\": {\n    \"name\": \"two\"\n  }\n}";
    let list = r#"{"kind":"List","items":[{"kind":"A"},{"kind":"B","metadata":{"name":"two"}}]}"#;
    let other = r#"{"kind":"C"}"#;
    for (name, before, after) in [
        (
            "pretty.json",
            pretty.to_owned(),
            "{\n  \"kind\": \"B\",\n  \"new\": 1\n}".to_owned(),
        ),
        (
            "lines.jsonl",
            format!("{other}\n{line}\n{other}\n"),
            format!("{other}\n{{\"kind\":\"B\",\"new\":1}}\n{other}\n"),
        ),
        (
            "list.json",
            list.to_owned(),
            r#"{"items":[{"kind":"A"},{"kind":"B","new":1}],"kind":"List"}"#.to_owned(),
        ),
        (
            "typed.yaml",
            "kind: BList\nitems:\n- metadata: {name: two}\n".to_owned(),
            "items:\n- kind: B\n  new: 1\nkind: BList\n".to_owned(),
        ),
    ] {
        let folder = folder(&[(name, &before)]);
        let found = Document::find(folder.path(), TWO).unwrap().unwrap();
        found.replace(&json!({"kind": "B", "new": 1})).unwrap();
        let written = read(&folder, name);
        if name.ends_with("yaml") {
            let read = |text: &str| serde_saphyr::from_str::<Value>(text).unwrap();
            assert_eq!(read(&written), read(&after), "{written}");
        } else {
            assert_eq!(written, after);
        }
    }
}

#[test]
fn an_item_is_removed_from_its_list_and_the_last_one_with_the_list() {
    let folder = folder(&[
        (
            "list.json",
            r#"{"kind":"List","items":[{"kind":"A"},{"kind":"B","metadata":{"name":"two"}}]}"#,
        ),
        (
            "last.json",
            r#"{"kind":"List","items":[{"kind":"C","metadata":{"name":"two"}}]}"#,
        ),
    ]);
    for kind in ["B", "C"] {
        let wanted = Wanted { kind, ..TWO };
        let found = Document::find(folder.path(), wanted).unwrap().unwrap();
        found.remove().unwrap();
    }
    assert_eq!(
        read(&folder, "list.json"),
        r#"{"items":[{"kind":"A"}],"kind":"List"}"#
    );
    assert!(!folder.path().join("last.json").exists());
}
