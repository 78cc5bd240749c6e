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

/// An expression with another one in place of a name that stands by itself, and not in a string.
pub(super) fn renamed(expression: &str, name: &str, to: &str) -> String {
    let is_name = |character: char| character.is_ascii_alphanumeric() || "_.".contains(character);
    let mut renamed = String::with_capacity(expression.len());
    let (mut word, mut quoted, mut escaped) = (String::new(), false, false);
    for character in expression.chars().chain(['\0']) {
        if !quoted && is_name(character) {
            word.push(character);
            continue;
        }
        match word.strip_prefix(name) {
            Some(rest) if rest.is_empty() || rest.starts_with('.') => {
                renamed.push_str(to);
                renamed.push_str(rest);
            }
            _ => renamed.push_str(&word),
        }
        word.clear();
        quoted ^= character == '\'' && !escaped;
        escaped = quoted && character == '\\' && !escaped;
        renamed.push(character);
    }
    renamed.pop();
    renamed
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
    fn a_name_is_replaced_where_it_stands_by_itself() {
        let expression = r"type(v) == string && v.matches('v\' v') && value[v] in ['v', '\\'] || v";
        assert_eq!(
            renamed(expression, "v", "m['k']"),
            r"type(m['k']) == string && m['k'].matches('v\' v') && value[m['k']] in ['v', '\\'] || m['k']"
        );
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
