//! Patterns: the regular expressions of a schema, compiled once, in Go's dialect.

use std::collections::HashMap;

use regex::Regex;
use serde_json::Value;

/// The compiled patterns of a schema, by their text; `None` where one can't be compiled.
#[derive(Debug, Default)]
pub(super) struct Patterns(HashMap<String, Option<Regex>>);

impl Patterns {
    /// Those that stand anywhere in a schema.
    pub(super) fn of(schema: &Value) -> Self {
        let mut found = Self::default();
        found.collect(schema);
        found
    }

    /// Whether a text matches; `None` where the pattern can't be judged.
    pub(super) fn matches(&self, pattern: &str, text: &str) -> Option<bool> {
        let compiled = self.0.get(pattern)?.as_ref()?;
        Some(compiled.is_match(text))
    }

    fn collect(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(pattern)) = fields.get("pattern") {
                    let compiled = || Regex::new(&translated(pattern)).ok();
                    self.0.entry(pattern.clone()).or_insert_with(compiled);
                }
                fields.values().for_each(|value| self.collect(value));
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item)),
            _ => {}
        }
    }
}

/// A pattern of Go's as one of ours: `\d`, `\w`, `\s` and `\b` mean ASCII there, and within a class `[`, `&` and `~` mean themselves.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut characters = pattern.chars().peekable();
    let mut in_class = false;
    // Where a `]` means itself: first in a class.
    let mut first = false;
    while let Some(character) = characters.next() {
        let was_first = std::mem::take(&mut first);
        match character {
            '\\' => match characters.next() {
                Some('d') => out.push_str("[0-9]"),
                Some('D') => out.push_str("[^0-9]"),
                Some('w') => out.push_str("[0-9A-Za-z_]"),
                Some('W') => out.push_str("[^0-9A-Za-z_]"),
                Some('s') => out.push_str(r"[\t\n\f\r ]"),
                Some('S') => out.push_str(r"[^\t\n\f\r ]"),
                Some('b') if !in_class => out.push_str(r"(?-u:\b)"),
                Some('B') if !in_class => out.push_str(r"(?-u:\B)"),
                Some(escaped) => out.extend(['\\', escaped]),
                None => out.push('\\'),
            },
            '[' if !in_class => {
                in_class = true;
                first = true;
                out.push('[');
                if let Some(negation) = characters.next_if_eq(&'^') {
                    out.push(negation);
                }
            }
            '[' if characters.peek() == Some(&':') => {
                // A named class, such as [:alpha:], has the same names.
                out.push('[');
                for inner in characters.by_ref() {
                    out.push(inner);
                    if inner == ']' {
                        break;
                    }
                }
            }
            ']' if in_class && was_first => out.push_str(r"\]"),
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            '[' | '&' | '~' if in_class => out.extend(['\\', character]),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(r"^\d+$", "12", true)]
    #[case(r"^\d+$", "\u{661}", false)]
    #[case(r"^[\w.-]+$", "a_b-c.d", true)]
    #[case(r"^[^\s]+$", "a b", false)]
    #[case(r"^[[:alpha:]]+$", "abc", true)]
    #[case(r"^[[a]+$", "[a", true)]
    #[case(r"^[]a]+$", "a]", true)]
    #[case(r"^[a&&b]+$", "a&b", true)]
    #[case(r"^[\[\]]+$", "[]", true)]
    #[case(r"\bword\b", "a word", true)]
    #[case(r"^.{2}$", "é!", true)]
    fn patterns_match_as_they_do_in_go(
        #[case] pattern: &str,
        #[case] text: &str,
        #[case] expected: bool,
    ) {
        let patterns = Patterns::of(&json!({"properties": {"a": {"pattern": pattern}}}));
        assert_eq!(patterns.matches(pattern, text), Some(expected));
    }

    #[test]
    fn a_pattern_of_another_dialect_is_not_judged() {
        let patterns = Patterns::of(&json!({"pattern": "(?=a)"}));
        assert_eq!(patterns.matches("(?=a)", "a"), None);
    }
}
