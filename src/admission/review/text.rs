//! Text: what is wrong with a write, for the one who made it.

use std::fmt::Write as _;

use crate::admission::guard::Guard;
use crate::condition::report::Report;

/// The most problems that are told: whoever mends these looks again.
const MOST_PROBLEMS: usize = 3;

/// The most characters of all of them.
const MOST_TEXT: usize = 1_024;

/// The most characters of a warning; the API server asks for at most 120 and cuts at 256.
const MOST_WARNING: usize = 256;

/// The longest name in Kubernetes.
pub(super) const MOST_NAME: usize = 253;

/// The object, and what is wrong with it.
pub(super) fn violation(guard: &Guard, namespace: &str, name: &str, report: &Report) -> String {
    let slash = if namespace.is_empty() { "" } else { "/" };
    let kind = &guard.resource.kind;
    let object = format!(
        "{kind} {}{slash}{}",
        cut(namespace, MOST_NAME),
        cut(name, MOST_NAME)
    );
    format!("{object}: {}", problems(report))
}

/// What is wrong: the fields, the keys and the limits.
pub(super) fn problems(report: &Report) -> String {
    let told = report.problems.iter().take(MOST_PROBLEMS);
    let told: Vec<String> = told.map(ToString::to_string).collect();
    let mut text = told.join("; ");
    let more = report.problems.len() + report.problems_omitted - told.len();
    if more > 0 {
        // Writing into a String can't fail.
        let _ = write!(text, "; and {more} more");
    }
    cut(&text, MOST_TEXT)
}

/// The same as warnings, each as long as one may be.
pub(super) fn warnings(message: &str) -> Vec<String> {
    vec![cut(message, MOST_WARNING)]
}

/// At most so many characters, on one line.
pub(super) fn cut(text: &str, most: usize) -> String {
    let mut line: String = text.chars().take(most).collect();
    if line.len() < text.len() {
        line.pop();
        line.push('…');
    }
    if line.contains(char::is_control) {
        line = line.replace(char::is_control, " ");
    }
    line
}
