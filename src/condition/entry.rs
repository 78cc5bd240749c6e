//! One declared entry of the map or list: its limits, its own time, and the judgment of its value.

use jiff::Timestamp;
use twox_hash::XxHash3_64;

use crate::condition::{
    contract::{Condition, Contract},
    fields::{Fields, TIMES},
    json::Json,
    judgment::Judgment,
    problem::{Code, Problem, Problems},
    report::Entry,
    value::Reading,
};

/// The most characters of a standard condition's reason (Kubernetes API, `metav1.Condition`).
const MAX_REASON: usize = 1024;

/// The most bytes of a standard condition's message (Kubernetes API, `metav1.Condition`).
const MAX_MESSAGE: usize = 32_768;

/// Reads one declared entry, and hands on every problem that it has.
pub(super) struct Reader<'a> {
    pub(super) contract: &'a Contract,
    pub(super) condition: &'a Condition,
    pub(super) problems: &'a mut Problems,
    legal: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        contract: &'a Contract,
        condition: &'a Condition,
        problems: &'a mut Problems,
    ) -> Self {
        Self {
            contract,
            condition,
            problems,
            legal: true,
        }
    }

    /// Reads an entry of a map that is no object: the value itself.
    pub(super) fn bare(mut self, value: Json<'_>, bytes: usize) -> Entry {
        let content = value.hash();
        if self.is_too_large(bytes) || self.is_too_deep(1 + value.depth()) {
            return Entry::unjudgeable(content);
        }
        self.judge(value, content, None, "")
    }

    /// Reads an entry of a map that is an object with a `value`.
    pub(super) fn object(mut self, fields: &Fields<'_>) -> Entry {
        if self.is_too_large(fields.bytes) || self.is_too_deep(2 + fields.depth) {
            return Entry::unjudgeable(fields.content);
        }
        self.check_duplicates(fields);
        let time = self.time(fields);
        if let Some(value) = fields.value {
            return self.judge(value, fields.content, time, ".value");
        }
        self.fault(
            Code::MissingValue,
            "",
            "is an object without a value; write {\"value\": …}, or the value itself",
        );
        self.entry(Reading::Missing, fields.content, fields.content, time)
    }

    /// Reads an entry of the standard list.
    pub(super) fn standard(mut self, fields: &Fields<'_>) -> Entry {
        let texts = [fields.reason, fields.message];
        let texts: usize = texts.into_iter().flatten().map(Json::text_bytes).sum();
        if self.is_too_large(fields.bytes - texts) || self.is_too_deep(2 + fields.depth) {
            return Entry::unjudgeable(fields.content);
        }
        self.check_duplicates(fields);
        self.check_texts(fields);
        let status = self.status(fields.status);
        let time = self.time(fields);
        let Some(value) = fields.value else {
            return self.judge_status(status, fields.content, time);
        };
        self.judge(value, fields.content, time, ".value")
    }

    /// Judges a value which stands in the entry's field.
    fn judge(
        mut self,
        value: Json<'_>,
        content: u64,
        time: Option<Timestamp>,
        field: &str,
    ) -> Entry {
        let Judgment { reading, fault } = self.condition.kind.judge(value, self.contract.name());
        if let Some((code, words)) = fault {
            self.fault(code, field, &words);
        }
        let judged = if field.is_empty() {
            content
        } else {
            value.hash()
        };
        self.entry(reading, content, judged, time)
    }

    /// Reads a standard condition that has a status where the contract expects a number.
    fn no_value(mut self, status: &str, content: u64, time: Option<Timestamp>) -> Entry {
        let words = format!(
            "has status \"{status}\" and no value, and contract {} declares type {}; add a value, or declare it a Boolean there",
            self.contract.name(),
            self.condition.kind.as_str()
        );
        self.fault(Code::MissingValue, "", &words);
        self.entry(Reading::Missing, content, content, time)
    }

    /// Judges a standard condition by its status, where it has no value.
    fn judge_status(
        self,
        status: Option<&'static str>,
        content: u64,
        time: Option<Timestamp>,
    ) -> Entry {
        let Some(status) = status else {
            return self.entry(Reading::Unjudgeable, content, content, time);
        };
        let json = Json::Plain(status);
        let means_unknown = status == UNKNOWN && !self.condition.kind.names(status);
        if means_unknown {
            return self.entry(Reading::NotANumber, content, json.hash(), time);
        }
        if self.condition.kind.bounds().is_some() {
            return self.no_value(status, content, time);
        }
        self.judge(json, content, time, ".status")
    }

    fn entry(self, reading: Reading, content: u64, judged: u64, time: Option<Timestamp>) -> Entry {
        Entry {
            reading,
            legal: self.legal,
            observed_at: time.map(Timestamp::as_millisecond),
            content,
            id: time.map_or(judged, |time| {
                XxHash3_64::oneshot(&time.as_nanosecond().to_le_bytes())
            }),
        }
    }

    /// The first time that the entry carries.
    fn time(&mut self, fields: &Fields<'_>) -> Option<Timestamp> {
        let (name, value) = TIMES
            .into_iter()
            .zip(fields.times)
            .find_map(|(name, value)| Some((name, present(value)?)))?;
        let time = timestamp(value);
        if time.is_none() {
            self.bad_time(name, value);
        }
        time
    }

    fn bad_time(&mut self, name: &str, value: Json<'_>) {
        let words = format!(
            "has {value} in {name}, which is no time; write it as RFC 3339 with an offset, such as \"2026-11-22T14:05:28.123Z\""
        );
        self.fault(Code::BadTime, &format!(".{name}"), &words);
    }

    /// A standard condition's status, if it is one of the three.
    fn status(&mut self, value: Option<Json<'_>>) -> Option<&'static str> {
        let known = STATUSES
            .into_iter()
            .find(|status| value.is_some_and(|value| value.is(status)));
        if known.is_none() {
            let found =
                value.map_or_else(|| "no status".to_owned(), |value| format!("status {value}"));
            let words = format!("has {found}; write \"True\", \"False\" or \"Unknown\"");
            self.fault(Code::BadStatus, ".status", &words);
        }
        known
    }

    /// The reason, message, transition time and generation of a standard condition.
    fn check_texts(&mut self, fields: &Fields<'_>) {
        let characters = |text: &str| text.chars().count();
        self.check_text(
            "reason",
            fields.reason,
            MAX_REASON,
            "characters",
            characters,
        );
        self.check_text("message", fields.message, MAX_MESSAGE, "bytes", str::len);
        if let Some(value) = present(fields.transition)
            && timestamp(value).is_none()
        {
            self.bad_time("lastTransitionTime", value);
        }
        if let Some(value) = present(fields.generation)
            && !matches!(value, Json::Number(raw) if raw.parse::<u64>().is_ok())
        {
            let words = format!("has {value} as observedGeneration; write a whole number from 0");
            self.fault(Code::WrongType, ".observedGeneration", &words);
        }
    }

    fn check_text(
        &mut self,
        name: &str,
        value: Option<Json<'_>>,
        limit: usize,
        unit: &str,
        measure: impl Fn(&str) -> usize,
    ) {
        let Some(value) = present(value) else {
            return;
        };
        let (code, words) = match value.text() {
            Some(text) if measure(&text) <= limit => return,
            Some(text) => (
                Code::TextTooLong,
                format!(
                    "has a {name} of {} {unit}, and Kubernetes allows {limit}; shorten it",
                    measure(&text)
                ),
            ),
            None => (
                Code::WrongType,
                format!("has {} as {name}; write text", value.noun()),
            ),
        };
        self.fault(code, &format!(".{name}"), &words);
    }

    fn check_duplicates(&mut self, fields: &Fields<'_>) {
        if let Some(name) = fields.duplicate {
            let words = format!("has {name} more than once; write it once");
            self.fault(Code::DuplicateKey, &format!(".{name}"), &words);
        }
    }

    fn is_too_large(&mut self, bytes: usize) -> bool {
        let limit = self.contract.limits().max_value_bytes;
        let broken = exceeds(bytes, limit);
        if broken {
            let words = format!(
                "has a value of {bytes} bytes, and contract {} allows {limit} (limits.maxValueBytes); shorten it",
                self.contract.name()
            );
            self.fault(Code::ValueTooLarge, "", &words);
        }
        broken
    }

    fn is_too_deep(&mut self, depth: usize) -> bool {
        let limit = self.contract.limits().max_depth;
        let broken = exceeds(depth, limit);
        if broken {
            let words = format!(
                "reaches depth {depth}, and contract {} allows {limit} (limits.maxDepth, where the conditions themselves are 1); flatten the value",
                self.contract.name()
            );
            self.fault(Code::TooDeep, "", &words);
        }
        broken
    }

    /// Notes what is wrong: the field behind the entry's path, and words whose subject is the key.
    fn fault(&mut self, code: Code, field: &str, words: &str) {
        self.legal = false;
        let (path, key) = (self.contract.path(), &self.condition.key);
        self.problems
            .add(Problem::of_entry(path, key, field, code, words));
    }
}

/// The status of a standard condition that nobody knows.
const UNKNOWN: &str = "Unknown";

/// What a standard condition's status may be.
const STATUSES: [&str; 3] = ["True", "False", UNKNOWN];

/// A field's value, where it isn't null, which the API server's types write for an absent one.
fn present(value: Option<Json<'_>>) -> Option<Json<'_>> {
    value.filter(|value| *value != Json::Null)
}

/// The moment that a value names.
fn timestamp(value: Json<'_>) -> Option<Timestamp> {
    value.text()?.parse().ok()
}

/// Whether a count is past a limit of the contract.
pub(super) fn exceeds(count: usize, limit: u32) -> bool {
    usize::try_from(limit).is_ok_and(|limit| count > limit)
}
