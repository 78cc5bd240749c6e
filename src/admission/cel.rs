//! CEL text: literals, written so that the API server reads what is meant.

use std::fmt::Write as _;

use serde_json::Value;

/// A string literal.
pub(super) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('\'');
    for character in text.chars() {
        // Writing into a String can't fail.
        let _ = match character {
            '\'' | '\\' => write!(quoted, "\\{character}"),
            ' '..='~' => write!(quoted, "{character}"),
            _ => write!(quoted, "\\U{:08x}", u32::from(character)),
        };
    }
    quoted.push('\'');
    quoted
}

/// A list of string literals.
pub(super) fn strings<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let texts: Vec<String> = texts.into_iter().map(quote).collect();
    format!("[{}]", texts.join(", "))
}

/// A double literal, which has a point or an exponent.
pub(super) fn double(number: f64) -> String {
    format!("{number:?}")
}

/// Any JSON as a literal.
///
/// The API server wants the members of a literal to have one type, so each of them is made dynamic.
pub(super) fn literal(value: &Value) -> String {
    let member = |value: &Value| format!("dyn({})", literal(value));
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => integer.to_string(),
            (None, float) => double(float.unwrap_or_default()),
        },
        Value::String(text) => quote(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(member).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(fields) => {
            let entry =
                |(name, value): (&String, &Value)| format!("{}: {}", quote(name), member(value));
            let fields: Vec<String> = fields.iter().map(entry).collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn foreign_text_can_end_no_literal() {
        assert_eq!(
            quote("it's \\ \u{e9}\n"),
            r"'it\'s \\ \U000000e9\U0000000a'"
        );
        assert_eq!(strings(["a", "b"]), "['a', 'b']");
    }

    #[test]
    fn json_becomes_a_literal_of_dynamic_members() {
        let value = json!({"a": [1, 2.5, "x"], "b": null});
        assert_eq!(
            literal(&value),
            "{'a': dyn([dyn(1), dyn(2.5), dyn('x')]), 'b': dyn(null)}"
        );
        assert_eq!(double(1e21), "1e21");
        assert_eq!(double(-3.0), "-3.0");
    }
}
