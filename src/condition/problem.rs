//! A problem: one way in which a report, or a contract, is not what it should be.
//!
//! A report of a hostile writer may have a problem per key, so they are kept up to [`MAX_PROBLEMS`] and counted beyond.

use std::borrow::Cow;
use std::fmt;

/// The most problems that one report names; the rest is counted.
///
/// A person mends the first few and looks again, and sixteen fit in an Event and in a status.
pub const MAX_PROBLEMS: usize = 16;

/// The most characters of foreign text that a message repeats.
pub const MAX_SHOWN: usize = 64;

/// One way in which a report or a contract is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which rule is broken; a closed set, fit for a metric label.
    pub code: Code,
    /// The path inside the object, such as `.status.conditions["error-rate"].value`; foreign text in it is cut and escaped.
    pub field: Box<str>,
    /// A clause for people: the key, what was found, the limit, and what to do. Foreign text in it is cut and escaped.
    pub message: Box<str>,
}

impl Problem {
    /// A problem of a contract.
    pub(super) fn of_contract(field: String, message: String) -> Self {
        Self {
            code: Code::BadContract,
            field: field.into(),
            message: message.into(),
        }
    }

    /// A problem of the entry `key` of what stands at `path`: `field` is the rest of the way to it, and the key is the subject of `words`.
    pub(super) fn of_entry(path: &str, key: &str, field: &str, code: Code, words: &str) -> Self {
        Self {
            code,
            field: [path, "[\"", &Escaped(key).text(), "\"]", field]
                .concat()
                .into(),
            message: message(key, words),
        }
    }

    /// A problem of the condition `key` whose value comes from `place`.
    pub(super) fn of_place(place: &str, key: &str, field: &str, code: Code, words: &str) -> Self {
        Self {
            code,
            field: format!("{place}{field}").into(),
            message: message(key, words),
        }
    }
}

/// A flood of problems is mostly made of their texts, which are therefore put together and not formatted.
fn message(key: &str, words: &str) -> Box<str> {
    ["key \"", &Escaped(key).text(), "\" ", words]
        .concat()
        .into()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Which rule is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The contract doesn't declare the key.
    UnknownKey,
    /// The key is longer than `limits.maxKeyLength`.
    KeyTooLong,
    /// The key is no qualified name.
    KeyMalformed,
    /// The key is there more than once; told, and legal.
    DuplicateKey,
    /// There are more entries than `limits.maxEntries`.
    TooManyEntries,
    /// The value nests deeper than `limits.maxDepth`.
    TooDeep,
    /// The value has more bytes than `limits.maxValueBytes`.
    ValueTooLarge,
    /// The entry has no value.
    MissingValue,
    /// The value is of another type than declared.
    WrongType,
    /// The value is null, `NaN`, or text that doesn't parse.
    NotANumber,
    /// The value lies outside of the declared bounds.
    OutOfRange,
    /// The value is none of the declared ones.
    NotInEnum,
    /// A heartbeat can't be read; told, and legal.
    BadTime,
    /// The expression that computes the value failed; told, and legal.
    ExpressionFailed,
    /// No series of a query names the object; told, and legal, as the next five are.
    NoSeries,
    /// Several series of a query name the object.
    SeveralSeries,
    /// The value that a query gives is older than `maxAge`.
    OldSample,
    /// A query was answered with an error, or not at all.
    QueryFailed,
    /// A query was not answered in time.
    QueryTimedOut,
    /// A query was answered with more than is read.
    TooManySeries,
    /// The whole isn't JSON, or is of none of the three shapes; or an item of a list is no condition, which is told, and legal.
    Malformed,
    /// The contract contradicts itself or asks for the impossible.
    BadContract,
}

impl Code {
    /// The code in words of one piece, for labels and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownKey => "UnknownKey",
            Self::KeyTooLong => "KeyTooLong",
            Self::KeyMalformed => "KeyMalformed",
            Self::DuplicateKey => "DuplicateKey",
            Self::TooManyEntries => "TooManyEntries",
            Self::TooDeep => "TooDeep",
            Self::ValueTooLarge => "ValueTooLarge",
            Self::MissingValue => "MissingValue",
            Self::WrongType => "WrongType",
            Self::NotANumber => "NotANumber",
            Self::OutOfRange => "OutOfRange",
            Self::NotInEnum => "NotInEnum",
            Self::ExpressionFailed => "ExpressionFailed",
            Self::NoSeries => "NoSeries",
            Self::SeveralSeries => "SeveralSeries",
            Self::OldSample => "OldSample",
            Self::QueryFailed => "QueryFailed",
            Self::QueryTimedOut => "QueryTimedOut",
            Self::TooManySeries => "TooManySeries",
            Self::BadTime => "BadTime",
            Self::Malformed => "Malformed",
            Self::BadContract => "BadContract",
        }
    }
}

/// The problems of one report, kept up to the bound; beside them what is told and makes nothing illegal.
///
/// What concerns the whole or a declared key is kept before what concerns undeclared keys, so a flood of junk can't push out the one line that matters.
#[derive(Debug, Default)]
pub(super) struct Problems {
    kept: Vec<Problem>,
    undeclared: Vec<Problem>,
    omitted: usize,
    notes: Vec<Problem>,
}

impl Problems {
    /// Adds a problem of the whole or of a declared key.
    pub(super) fn add(&mut self, problem: Problem) {
        if self.kept.len() < MAX_PROBLEMS {
            self.kept.push(problem);
        } else {
            self.omitted += 1;
        }
    }

    /// Adds a problem that concerns everything, ahead of the others.
    pub(super) fn add_first(&mut self, problem: Problem) {
        self.kept.insert(0, problem);
        if self.kept.len() > MAX_PROBLEMS {
            self.kept.truncate(MAX_PROBLEMS);
            self.omitted += 1;
        }
    }

    /// Adds a problem of an undeclared key; past the bound it isn't even put into words.
    pub(super) fn add_undeclared(&mut self, problem: impl FnOnce() -> Problem) {
        if self.undeclared.len() < MAX_PROBLEMS {
            self.undeclared.push(problem());
        } else {
            self.omitted += 1;
        }
    }

    /// Notes what makes nothing illegal.
    pub(super) fn note(&mut self, problem: Problem) {
        if self.notes.len() < MAX_PROBLEMS {
            self.notes.push(problem);
        }
    }

    /// Takes back the problems of an entry that another one supersedes.
    pub(super) fn withdraw(&mut self, field: &str) {
        self.kept
            .retain(|problem| !problem.field.starts_with(field));
        self.notes.retain(|note| !note.field.starts_with(field));
    }

    /// Takes what was noted.
    pub(super) fn take_notes(&mut self) -> Vec<Problem> {
        std::mem::take(&mut self.notes)
    }

    /// The kept problems and the number of the others.
    pub(super) fn finish(mut self) -> (Vec<Problem>, usize) {
        let room = MAX_PROBLEMS - self.kept.len();
        self.omitted += self.undeclared.len().saturating_sub(room);
        self.kept.extend(self.undeclared.into_iter().take(room));
        (self.kept, self.omitted)
    }
}

/// Foreign text within quotes: cut, with control and invisible characters, quotes and backslashes escaped.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", Escaped(self.0))
    }
}

/// Foreign text: cut, with control and invisible characters, quotes and backslashes escaped.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl<'a> Escaped<'a> {
    /// What is written of it.
    pub(super) fn text(&self) -> Cow<'a, str> {
        cut(self.0, |c| c != '\'')
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// A piece of JSON: cut, with control and invisible characters escaped. Its own quotes and backslashes stay.
pub(super) struct Excerpt<'a>(pub(super) &'a str);

impl<'a> Excerpt<'a> {
    /// What is written of it.
    pub(super) fn text(&self) -> Cow<'a, str> {
        cut(self.0, |c| !matches!(c, '"' | '\\' | '\''))
    }
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

/// At most [`MAX_SHOWN`] characters of a text, escaping those that `escapes` lets through and that need it.
fn cut(text: &str, escapes: impl Fn(char) -> bool) -> Cow<'_, str> {
    let is_plain = |char| matches!(char, ' '..='~') && !matches!(char, '"' | '\\' | '\'');
    if text.len() <= MAX_SHOWN && text.bytes().all(|byte| is_plain(char::from(byte))) {
        // Nearly every key and value.
        return Cow::Borrowed(text);
    }
    let mut shown = String::new();
    let mut characters = text.chars();
    for character in characters.by_ref().take(MAX_SHOWN) {
        if !is_plain(character) && escapes(character) {
            shown.extend(character.escape_debug());
        } else {
            shown.push(character);
        }
    }
    if characters.next().is_some() {
        shown.push('…');
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn problem(message: &str) -> Problem {
        Problem {
            code: Code::UnknownKey,
            field: ".status.conditions".into(),
            message: message.into(),
        }
    }

    #[test]
    fn problems_of_declared_keys_are_kept_before_those_of_junk() {
        let mut problems = Problems::default();
        for _ in 0..100_000 {
            problems.add_undeclared(|| problem("junk"));
        }
        problems.add(problem("declared"));
        problems.add_first(problem("whole"));
        let (kept, omitted) = problems.finish();
        assert_eq!(kept.len(), MAX_PROBLEMS);
        assert_eq!(omitted, 100_002 - MAX_PROBLEMS);
        let words: Vec<&str> = kept.iter().map(|kept| &*kept.message).take(3).collect();
        assert_eq!(words, ["whole", "declared", "junk"]);
    }

    #[test]
    fn a_problem_of_the_whole_displaces_the_last_when_the_list_is_full() {
        let mut problems = Problems::default();
        for _ in 0..MAX_PROBLEMS {
            problems.add(problem("declared"));
        }
        problems.add_first(problem("whole"));
        let (kept, omitted) = problems.finish();
        assert_eq!((kept.len(), omitted), (MAX_PROBLEMS, 1));
        assert_eq!(&*kept[0].message, "whole");
    }

    #[rstest]
    #[case("plain", r#""plain""#)]
    #[case("it's", r#""it's""#)]
    #[case("a\"b\\c", r#""a\"b\\c""#)]
    #[case("line\r\nbreak", r#""line\r\nbreak""#)]
    #[case("bell\u{7}\u{1b}[31m", r#""bell\u{7}\u{1b}[31m""#)]
    #[case("right\u{202e}left", r#""right\u{202e}left""#)]
    #[case("\u{2028}", r#""\u{2028}""#)]
    fn foreign_text_can_forge_no_line_and_no_quote(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(Quoted(text).to_string(), shown);
    }

    #[test]
    fn foreign_text_is_cut() {
        let shown = Escaped(&"x".repeat(10_000_000)).to_string();
        assert_eq!(shown, format!("{}…", "x".repeat(MAX_SHOWN)));
        assert_eq!(Excerpt("\"a\\n\u{202e}\"").to_string(), "\"a\\n\\u{202e}\"");
    }
}
