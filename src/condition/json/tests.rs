//! Depth, hashes and display of single values.

use rstest::rstest;

use super::*;
use crate::condition::cursor::Cursor;

fn read(text: &str) -> Json<'_> {
    Cursor::new(text).value().unwrap()
}

#[rstest]
#[case("1", 0)]
#[case(r#""[[[""#, 0)]
#[case("[]", 1)]
#[case(r#"{"a": "}{\"[["}"#, 1)]
#[case("[[], [[1]], []]", 3)]
#[case(r#"{"a": [{"b": 1}]}"#, 3)]
fn depth_counts_lists_and_objects_and_no_text(#[case] text: &str, #[case] depth: usize) {
    assert_eq!(read(text).depth(), depth);
}

#[test]
fn depth_is_told_of_half_a_million_levels() {
    let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
    assert_eq!(read(&deep).depth(), 500_000);
    assert_eq!(read(&deep).hash(), read(&deep).hash());
}

#[rstest]
#[case(r#"{"a": 1, "b": [1, 2]}"#, r#"{"b":[1,2],"a":1}"#)]
#[case(r#""a""#, r#""\u0061""#)]
#[case(r#"{"\u0061": 1}"#, r#"{"a": 1}"#)]
#[case("[ 1 ]", "[1]")]
#[case("1e2", "100.0")]
fn equal_content_hashes_equal(#[case] one: &str, #[case] two: &str) {
    assert_eq!(read(one).hash(), read(two).hash());
}

#[rstest]
#[case("[1, 2]", "[2, 1]")]
#[case(r#"{"a": "b"}"#, r#"{"b": "a"}"#)]
#[case(r#"{"a": 1, "b": 2}"#, r#"{"a": 2, "b": 1}"#)]
#[case("[]", "{}")]
#[case("[[]]", "[]")]
#[case("null", "false")]
#[case("true", "false")]
#[case("1", "1.0")]
#[case("1", r#""1""#)]
#[case("null", r#""null""#)]
#[case("0", r#""""#)]
#[case(r#""\ud800""#, r#""\ud801""#)]
fn different_content_hashes_different(#[case] one: &str, #[case] two: &str) {
    assert_ne!(read(one).hash(), read(two).hash());
}

#[test]
fn a_value_is_shown_cut_and_on_one_line() {
    assert_eq!(read(r#""a\nb""#).to_string(), r#""a\nb""#);
    assert_eq!(read("\"\u{85}\"").to_string(), r#""\u{85}""#);
    let long = format!("\"{}\"", "x".repeat(1_000));
    assert_eq!(read(&long).to_string(), format!("\"{}…\"", "x".repeat(64)));
    assert_eq!(
        read(&"7".repeat(1_000)).to_string(),
        format!("{}…", "7".repeat(64))
    );
}
