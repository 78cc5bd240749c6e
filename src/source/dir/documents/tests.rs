//! Texts as people and tools write them, and the documents in them.

use rstest::rstest;
use serde_json::json;

use super::*;

/// Every object of a text, or what is wrong with its document.
fn read(text: &str) -> Vec<Result<Value, String>> {
    let mut read = Vec::new();
    for document in documents(text).unwrap() {
        match document.content {
            Ok(content) => read.extend(objects(content).into_iter().map(|(_, object)| Ok(object))),
            Err(why) => read.push(Err(why)),
        }
    }
    read
}

#[rstest]
#[case::several_and_a_list("a: 1\n---\n---\n# nothing\n---\nkind: List\nitems:\n- {b: 2}\n- {c: .nan}\n", &[json!({"a": 1}), json!({"b": 2}), json!({"c": ".nan"})])]
#[case::no_last_newline("a: 1\n---\nb: 2", &[json!({"a": 1}), json!({"b": 2})])]
#[case::windows("a: 1\r\n---\r\nb: 2\r\n", &[json!({"a": 1}), json!({"b": 2})])]
#[case::content_after_the_marker("--- {a: 1}\n--- # comment\nb: 2\n...\n", &[json!({"a": 1}), json!({"b": 2})])]
#[case::a_directive("%YAML 1.2\n---\na: 1\n", &[json!({"a": 1})])]
#[case::a_rule_within_a_text("a: |\n  ---\n  b\nc: '---x'\n", &[json!({"a": "---\nb\n", "c": "---x"})])]
#[case::json("{\"a\": [1, null, \"\\ud83d\\ude00\"]}\n", &[json!({"a": [1, null, "😀"]})])]
#[case::json_indented_by_tabs("{\n\t\"a\": 1\n}", &[json!({"a": 1})])]
#[case::json_lines("{\"a\": 1}\n{\"b\": 2}\n\n{\"c\": 3}", &[json!({"a": 1}), json!({"b": 2}), json!({"c": 3})])]
#[case::json_between_markers("---\n{\"a\": 1}\n---\n{\"b\": 2}\n", &[json!({"a": 1}), json!({"b": 2})])]
#[case::a_flow_mapping("{a: 1, b: [x]}\n", &[json!({"a": 1, "b": ["x"]})])]
#[case::nothing("# only this\n", &[])]
fn a_text_holds_these_objects(#[case] text: &str, #[case] expected: &[Value]) {
    let expected: Vec<_> = expected.iter().cloned().map(Ok).collect();
    assert_eq!(read(text), expected);
}

#[test]
fn a_typed_list_says_what_its_items_are() {
    let text = "{apiVersion: g/v1, kind: ShopList, metadata: {resourceVersion: '7'}, items: [{metadata: {name: a}}, {kind: Own, metadata: {name: b}}]}";
    assert_eq!(
        read(text),
        [
            Ok(json!({"apiVersion": "g/v1", "kind": "Shop", "metadata": {"name": "a"}})),
            Ok(json!({"apiVersion": "g/v1", "kind": "Own", "metadata": {"name": "b"}})),
        ]
    );
    let named =
        json!({"apiVersion": "g/v1", "kind": "AllowList", "metadata": {"name": "a"}, "items": [1]});
    assert_eq!(read(&named.to_string()), [Ok(named)]);
}

#[test]
fn a_malformed_document_hides_no_other_and_is_named_with_its_line() {
    for text in [
        "a: 1\n---\nb: [\n---\nc: 3\n",
        "{\"a\": 1}\n\n{\"b\": \n{\"c\": 3}\n",
    ] {
        let read = read(text);
        assert_eq!(read[0], Ok(json!({"a": 1})), "{text:?}");
        assert_eq!(read[2], Ok(json!({"c": 3})), "{text:?}");
        let why = read[1].as_ref().unwrap_err();
        assert!(
            why.starts_with("line 3") || why.starts_with("line 4"),
            "{why}"
        );
    }
}

#[rstest]
#[case::half_written("a: 1\nb: [1, 2\n", "line ")]
#[case::a_key_given_twice("a: 1\nb: 2\na: 3\n", "line 3")]
#[case::a_tab("a:\n\t- b\n", "line 2")]
#[case::a_json_key_given_twice("{\"a\": 1,\n\"a\": 2}", "line 2")]
#[case::json_cut_off("{\"a\": {\"b\": 1}\n", "line ")]
fn what_is_wrong_is_named_with_its_line(#[case] text: &str, #[case] line: &str) {
    let error = read(text).remove(0).unwrap_err();
    assert!(error.starts_with(line), "{text:?}: {error}");
}

#[test]
fn off_stays_a_word_and_a_time_stays_a_text() {
    assert_eq!(
        read("mode: Off\nuntil: 2026-01-02T03:04:05Z\n"),
        [Ok(json!({"mode": "Off", "until": "2026-01-02T03:04:05Z"}))]
    );
}

#[test]
fn ten_megabytes_in_one_value_are_read() {
    let note = "x".repeat(10 << 20);
    let read = read(&format!("status:\n  note: {note}\n"));
    assert_eq!(read[0].as_ref().unwrap()["status"]["note"], *note);
}

#[test]
fn nothing_multiplies_or_nests_without_end() {
    let lines = (1..10).map(|level| {
        let alias = format!("*a{}", level - 1);
        format!("a{level}: &a{level} [{}]", [alias.as_str(); 10].join(", "))
    });
    let first = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]".to_owned();
    let bomb: Vec<String> = std::iter::once(first).chain(lines).collect();
    let flow = format!("a: {}{}", "[".repeat(10_000), "]".repeat(10_000));
    let json = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let block: Vec<String> = (0..200)
        .map(|level| format!("{}a:", " ".repeat(level)))
        .collect();
    let zeros = format!("[{}0]", "0,".repeat(MOST_NODES));
    for text in [bomb.join("\n"), flow, json, block.join("\n"), zeros] {
        assert!(read(&text)[0].is_err(), "{}", &text[..60]);
    }
    assert!(documents(&"---\na: 1\n".repeat(MOST_DOCUMENTS + 1)).is_err());
}

#[test]
fn the_documents_of_a_file_share_one_limit_of_values() {
    let half = format!("[{}0]\n", "0,".repeat(MOST_NODES * 2 / 3));
    let read = read(&half.repeat(2));
    assert!(read[0].is_ok());
    assert!(read[1].is_err());
}
