//! The documents of a file: YAML or JSON text, split into documents that are decoded one by one within fixed limits.
//!
//! A malformed document never hides the others. `fusegate check`, the directory source and the effects that
//! write files all read through here.
//!
//! Source: YAML 1.2.2, section 9.1: a line that starts with `---` starts a document whatever comes before it,
//! because no content may start a line with it. JSON lines: <https://jsonlines.org>.

use std::ops::Range;

use serde::de::IgnoredAny;
use serde_json::{Deserializer, Value};
use serde_saphyr::options::NonFiniteFloatPolicy;
use serde_saphyr::{
    DefaultMessageFormatter, MessageFormatter as _, Options, alias_limits, budget, options,
};

use crate::source::dir::json::{self, DEEPEST};

/// Largest file that is read. An object of 10 MB must still be read, so that its contract
/// can reject it with a message that names the key.
pub(crate) const LARGEST_FILE: u64 = 16 << 20;

/// Most documents in one file.
const MOST_DOCUMENTS: usize = 10_000;

/// Most values in one file: that of a file of [`LARGEST_FILE`] with a scalar every sixteen bytes.
const MOST_NODES: usize = 1 << 20;

/// Most parser events that aliases may expand to.
const MOST_REPLAYED: usize = 1 << 17;

/// One document of a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Document {
    /// Which bytes of the text it is, without the lines that separate documents.
    pub(crate) range: Range<usize>,
    /// How it is written.
    pub(crate) form: Form,
    /// Its content, or what is wrong with it and where.
    pub(crate) content: Result<Value, String>,
}

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As YAML.
    Yaml,
    /// As JSON.
    Json,
}

/// Decodes the bytes of a file as text.
///
/// # Errors
///
/// When they are too many, or not UTF-8.
pub(crate) fn text(bytes: Vec<u8>) -> Result<String, String> {
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LARGEST_FILE) {
        return Err(format!(
            "the file has more bytes than the limit of {LARGEST_FILE}; split it"
        ));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("the file is not UTF-8 from byte {at} on; save it as UTF-8")
    })
}

/// All documents of a text, without empty ones.
///
/// # Errors
///
/// When there are too many of them.
pub(crate) fn documents(text: &str) -> Result<Vec<Document>, String> {
    let mut documents = Vec::new();
    let mut nodes = MOST_NODES;
    let (mut line, mut counted) = (1, 0);
    for (range, form) in split(text) {
        line += newlines(text, counted..range.start);
        counted = range.start;
        let content = match form {
            Form::Yaml => yaml(part(text, &range), line, &mut nodes),
            Form::Json => json::decode(part(text, &range), line, &mut nodes).map(Some),
        };
        let Some(content) = content.transpose() else {
            continue;
        };
        if documents.len() == MOST_DOCUMENTS {
            return Err(format!(
                "the file has more documents than the limit of {MOST_DOCUMENTS}; split it"
            ));
        }
        documents.push(Document {
            range,
            form,
            content,
        });
    }
    Ok(documents)
}

/// The objects of a document: itself, or the items of a list, each with its place in `items`.
///
/// `kubectl get -o yaml` writes several objects as one `List`, and an API server answers with typed lists
/// such as `StorefrontList`, whose items may leave out what the list says of them.
pub(crate) fn objects(mut document: Value) -> Vec<(Option<usize>, Value)> {
    let Some((api_version, kind)) = list_of(&document) else {
        return vec![(None, document)];
    };
    let Some(Value::Array(items)) = document.get_mut("items").map(Value::take) else {
        return Vec::new();
    };
    let typed = |(index, mut item): (usize, Value)| {
        if let (Some(fields), false) = (item.as_object_mut(), kind.is_empty()) {
            for (field, value) in [("apiVersion", &api_version), ("kind", &kind)] {
                fields
                    .entry(field)
                    .or_insert_with(|| Value::String(value.clone()));
            }
        }
        (Some(index), item)
    };
    items.into_iter().enumerate().map(typed).collect()
}

/// The API version and kind of a list's items; the kind is empty for a plain `List`. An object whose kind
/// happens to end in `List` has a name, and a list has none.
fn list_of(document: &Value) -> Option<(String, String)> {
    let text = |pointer| document.pointer(pointer).and_then(Value::as_str);
    let kind = text("/kind")?.strip_suffix("List")?;
    let is_list = document.get("items").is_some_and(Value::is_array) || kind.is_empty();
    (is_list && text("/metadata/name").is_none()).then(|| {
        let api_version = text("/apiVersion").unwrap_or_default();
        (api_version.to_owned(), kind.to_owned())
    })
}

/// Where the documents of a text are.
fn split(text: &str) -> Vec<(Range<usize>, Form)> {
    let mut ranges = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        let next = at + line.len();
        if let Some(rest) = marker(line) {
            push(text, start..at, &mut ranges);
            // Content after the marker on its own line belongs to the document.
            start = if rest.is_empty() || rest.starts_with('#') {
                next
            } else {
                at
            };
        }
        at = next;
    }
    push(text, start..at, &mut ranges);
    ranges
}

/// What follows a marker on its line, if the line is one.
fn marker(line: &str) -> Option<&str> {
    let rest = line
        .strip_prefix("---")
        .or_else(|| line.strip_prefix("..."))?;
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then(|| rest.trim())
}

/// Adds a document, or each of its JSON values. Directives alone are no document.
fn push(text: &str, range: Range<usize>, ranges: &mut Vec<(Range<usize>, Form)>) {
    let document = part(text, &range);
    let lines = document.lines().map(str::trim_end);
    if lines.clone().any(|line| line.starts_with('%'))
        && lines
            .filter(|line| !line.is_empty())
            .all(|line| line.starts_with(['%', '#']))
    {
        return;
    }
    match json_values(document) {
        Some(values) => ranges.extend(values.into_iter().map(|value| {
            let value = range.start + value.start..range.start + value.end;
            (value, Form::Json)
        })),
        None => ranges.push((range, Form::Yaml)),
    }
}

/// Where the JSON values of a text are; `None` if it doesn't begin with a JSON object or array. A line that is
/// not JSON counts as one value, so that it hides none of the others.
fn json_values(text: &str) -> Option<Vec<Range<usize>>> {
    let mut values = Vec::new();
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        let rest = rest.trim_start_matches('\u{feff}').trim_start();
        at = text.len() - rest.len();
        if rest.is_empty() {
            return (!values.is_empty()).then_some(values);
        }
        let mut stream = Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        let length = match stream.next() {
            Some(Ok(_)) if rest.starts_with(['{', '[']) => stream.byte_offset(),
            _ if values.is_empty() => return None,
            _ => rest.find('\n').unwrap_or(rest.len()),
        };
        values.push(at..at + length);
        at += length;
    }
}

fn yaml(text: &str, line: usize, nodes: &mut usize) -> Result<Option<Value>, String> {
    let parsed = serde_saphyr::from_multiple_with_options::<Value>(text, limits(*nodes));
    let documents = parsed.map_err(|error| {
        let error = error.without_snippet();
        let at = error.location().map_or(line, |at| {
            let below = usize::try_from(at.line()).unwrap_or_default();
            line + below.saturating_sub(1)
        });
        format!(
            "line {at}: {}",
            DefaultMessageFormatter.format_message(error)
        )
    })?;
    let Some(document) = documents.into_iter().next() else {
        return Ok(None);
    };
    *nodes = nodes.saturating_sub(count(&document));
    Ok(Some(document))
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum::<usize>(),
        _ => 0,
    }
}

fn newlines(text: &str, range: Range<usize>) -> usize {
    part(text, &range)
        .bytes()
        .filter(|byte| *byte == b'\n')
        .count()
}

/// Part of a text. All ranges here lie on character boundaries: they begin and end at ASCII characters.
fn part<'a>(text: &'a str, range: &Range<usize>) -> &'a str {
    text.get(range.clone()).unwrap_or_default()
}

fn limits(nodes: usize) -> Options {
    options! {
        budget: budget! {
            max_depth: DEEPEST,
            flow_nesting_limit: DEEPEST,
            max_documents: MOST_DOCUMENTS,
            max_nodes: nodes,
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
mod tests;
