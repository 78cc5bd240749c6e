//! The JSON of an audit line, written straight into bytes.
//!
//! Names and values come from anyone who may write an object. So control characters, line breaks and
//! direction marks are escaped: one operation is one line, whatever reads it.

use std::fmt::Write as _;
use std::io::Write as _;

use fusegate_crds::Time;

use crate::wire::audit::{Action, Line};

/// Writes lines. It caches the text of the last second.
#[derive(Debug, Default)]
pub struct Writer {
    second: Option<i64>,
    /// `2026-11-22T14:05:28`
    text: String,
}

impl Writer {
    /// Appends a line and its line break.
    pub fn line(&mut self, line: &Line, out: &mut Vec<u8>) {
        self.start(line.at, line.action.name(), out);
        for (name, value) in [
            ("source", line.source.name()),
            ("resource", &line.resource),
            ("uid", &line.uid),
            ("resource_version", &line.resource_version),
            ("operation", line.operation.name()),
        ] {
            field(name, value, out);
        }
        count("keys_before", line.keys_before, out);
        count("keys_after", line.keys_after, out);
        keys(line, out);
        field("verdict", line.verdict.name(), out);
        field("reason", &line.reason, out);
        field("policy", line.policy.as_deref().unwrap_or_default(), out);
        field("trip_id", line.trip_id.as_deref().unwrap_or_default(), out);
        field(
            "trace_id",
            line.trace_id.as_deref().unwrap_or_default(),
            out,
        );
        out.extend_from_slice(b"}\n");
    }

    /// Appends a line that says how many lines were dropped before it.
    pub(super) fn lost(&mut self, at: i64, lost: u64, out: &mut Vec<u8>) {
        self.start(at, "Lost", out);
        count("lost", usize::try_from(lost).ok(), out);
        field(
            "reason",
            "audit lines before this one were dropped because the log was written too slowly",
            out,
        );
        out.extend_from_slice(b"}\n");
    }

    fn start(&mut self, at: i64, action: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"time\":\"");
        self.time(at, out);
        out.extend_from_slice(b"\",\"action\":\"");
        out.extend_from_slice(action.as_bytes());
        out.push(b'"');
    }

    /// RFC 3339 with milliseconds. A time that can't be represented is written as the epoch.
    fn time(&mut self, at: i64, out: &mut Vec<u8>) {
        let second = at.div_euclid(1_000);
        if self.second != Some(second) {
            self.second = Some(second);
            self.text.clear();
            let whole = second.checked_mul(1_000).and_then(Time::from_millis);
            let written = whole.map(|time| write!(self.text, "{time}"));
            if !matches!(written, Some(Ok(()))) {
                self.text.clear();
                self.text.push_str("1970-01-01T00:00:00.000Z");
            }
            // `.000Z` is replaced for each line.
            self.text.truncate(self.text.len().saturating_sub(5));
        }
        out.extend_from_slice(self.text.as_bytes());
        print(out, format_args!(".{:03}Z", at.rem_euclid(1_000)));
    }
}

/// `,"name":"value"`, unless the value is empty.
fn field(name: &str, value: &str, out: &mut Vec<u8>) {
    if !value.is_empty() {
        key(name, out);
        string(value, out);
    }
}

fn count(name: &str, value: Option<usize>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        key(name, out);
        print(out, format_args!("{value}"));
    }
}

fn keys(line: &Line, out: &mut Vec<u8>) {
    if line.diff_keys.is_empty() && line.action != Action::Map {
        return;
    }
    key("diff_keys", out);
    out.push(b'[');
    for (index, each) in line.diff_keys.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.push(b'"');
        out.extend_from_slice(each.sign.encode_utf8(&mut [0; 4]).as_bytes());
        escaped(&each.key, out);
        out.push(b'"');
    }
    out.push(b']');
    let omitted = Some(line.diff_keys_omitted).filter(|omitted| *omitted > 0);
    count("diff_keys_omitted", omitted, out);
}

fn key(name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// A JSON string (RFC 8259, section 7).
fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    escaped(text, out);
    out.push(b'"');
}

/// The content of a JSON string, without the quotes.
fn escaped(mut text: &str, out: &mut Vec<u8>) {
    loop {
        // Only ASCII was counted, so this is a character boundary.
        let plain = plain_bytes(text.as_bytes());
        let (before, after) = text.split_at_checked(plain).unwrap_or((text, ""));
        out.extend_from_slice(before.as_bytes());
        let mut rest = after.chars();
        let Some(char) = rest.next() else { return };
        escape(char, out);
        text = rest.as_str();
    }
}

/// How many bytes at the beginning need no escape.
///
/// Eight at a time: a byte is found by the borrow that a subtraction leaves in its high bit, and what is not ASCII has it
/// set. The lowest bit found is exact.
fn plain_bytes(bytes: &[u8]) -> usize {
    const EACH: u64 = u64::MAX / 0xff;
    const HIGH: u64 = EACH * 0x80;
    let below = |word: u64, limit: u64| word.wrapping_sub(EACH * limit) & !word;
    let is = |word: u64, byte: u8| below(word ^ (EACH * u64::from(byte)), 1);
    let (words, rest) = bytes.as_chunks();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = is(word, b'"') | is(word, b'\\') | is(word, 0x7f) | below(word, 0x20) | word;
        if found & HIGH != 0 {
            return index * 8 + (found & HIGH).trailing_zeros() as usize / 8;
        }
    }
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'!' | b'#'..=b'[' | b']'..=b'~');
    let tail = rest.iter().position(|byte| !is_plain(byte));
    words.len() * 8 + tail.unwrap_or(rest.len())
}

fn escape(char: char, out: &mut Vec<u8>) {
    match char {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        _ if char.is_control() || misleads(char) => {
            print(out, format_args!("\\u{:04x}", u32::from(char)));
        }
        _ => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Unicode's line separators and direction marks.
fn misleads(char: char) -> bool {
    matches!(char, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Formats into bytes, which can't fail.
fn print(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}
