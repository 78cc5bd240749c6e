//! A file's text as documents: YAML or JSON in, JSON values out, within fixed limits.

use serde_json::Value;
use serde_saphyr::options::NonFiniteFloatPolicy;
use serde_saphyr::{Options, alias_limits, budget, options};

/// Largest file that is read. An object of 10 MB must still be read, so that its contract
/// can reject it with a message that names the key.
pub(crate) const LARGEST_FILE: u64 = 16 << 20;

/// Deepest nesting: four times what any contract allows, and safe for the stack.
const DEEPEST: usize = 64;

/// Most documents in one file.
const MOST_DOCUMENTS: usize = 10_000;

/// Most values in one file: that of a file of [`LARGEST_FILE`] with a scalar every sixteen bytes.
const MOST_NODES: usize = 1 << 20;

/// Most parser events that aliases may expand to.
const MOST_REPLAYED: usize = 1 << 17;

/// All documents of a file, without empty ones; lists are split into their items.
///
/// # Errors
///
/// Where and why it is not YAML, or which limit it exceeds.
pub(crate) fn documents(text: &str) -> Result<Vec<Value>, String> {
    let parsed = serde_saphyr::from_multiple_with_options::<Value>(text, limits());
    let documents = parsed.map_err(|error| {
        let error = error.without_snippet();
        let line = error
            .location()
            .map_or_else(String::new, |at| format!("line {}: ", at.line()));
        format!("{line}{error}")
    })?;
    Ok(documents.into_iter().flat_map(items).collect())
}

/// `kubectl get -o yaml` writes several objects as one of kind `List`.
fn items(mut document: Value) -> Vec<Value> {
    if document.get("kind").and_then(Value::as_str) != Some("List") {
        return vec![document];
    }
    match document.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

fn limits() -> Options {
    options! {
        budget: budget! {
            max_depth: DEEPEST,
            flow_nesting_limit: DEEPEST,
            max_documents: MOST_DOCUMENTS,
            max_nodes: MOST_NODES,
            max_events: 3 * MOST_NODES,
        },
        alias_limits: alias_limits! {
            max_total_replayed_events: MOST_REPLAYED,
            max_replay_stack_depth: 16,
        },
        strict_booleans: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_may_have_several_documents_and_lists_of_objects() {
        let text = "a: 1\n---\n---\n# nothing\n---\nkind: List\nitems:\n- {b: 2}\n- {c: .nan}\n";
        assert_eq!(
            documents(text).unwrap(),
            [json!({"a": 1}), json!({"b": 2}), json!({"c": ".nan"})]
        );
    }

    #[test]
    fn off_stays_a_word_and_a_time_stays_a_text() {
        let text = "mode: Off\nuntil: 2026-01-02T03:04:05Z\n";
        assert_eq!(
            documents(text).unwrap(),
            [json!({"mode": "Off", "until": "2026-01-02T03:04:05Z"})]
        );
    }

    #[test]
    fn a_half_written_file_a_tab_and_a_key_given_twice_are_told_with_their_line() {
        for (text, line) in [
            ("a: 1\nb: [1, 2\n", "line "),
            ("a: 1\nb: 2\na: 3\n", "line 3"),
            ("a:\n\t- b\n", "line 2"),
        ] {
            let error = documents(text).unwrap_err();
            assert!(error.contains(line), "{text:?}: {error}");
        }
    }

    #[test]
    fn ten_megabytes_in_one_value_are_read() {
        let text = format!(
            "status:\n  conditions:\n    note: {}\n",
            "x".repeat(10 << 20)
        );
        let read = documents(&text).unwrap();
        assert_eq!(
            read[0]["status"]["conditions"]["note"]
                .as_str()
                .unwrap()
                .len(),
            10 << 20
        );
    }

    #[test]
    fn nothing_multiplies_or_nests_without_end() {
        let lines = (1..10).map(|level| {
            let alias = format!("*a{}", level - 1);
            format!("a{level}: &a{level} [{}]", [alias.as_str(); 10].join(", "))
        });
        let first = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]".to_owned();
        let bomb: Vec<String> = std::iter::once(first).chain(lines).collect();
        assert!(documents(&bomb.join("\n")).is_err());
        let flow = format!("a: {}{}", "[".repeat(10_000), "]".repeat(10_000));
        let block: Vec<String> = (0..200)
            .map(|level| format!("{}a:", " ".repeat(level)))
            .collect();
        for nest in [flow, block.join("\n")] {
            assert!(documents(&nest).is_err());
        }
        assert!(documents(&"---\na\n".repeat(MOST_DOCUMENTS + 1)).is_err());
    }
}
