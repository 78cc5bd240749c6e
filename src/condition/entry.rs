//! One entry of the map or list: its fields, its limits, its own time, and the judgment of its value.

use jiff::Timestamp;
use twox_hash::XxHash3_64;

use crate::condition::{
    contract::{Condition, Contract},
    json::{self, Json},
    kind::judge::Judgment,
    problem::{Code, Excerpt, Problem, Problems, Quoted},
    report::Entry,
    value::Reading,
};

/// The fields that carry an entry's own time, in the order of preference; `lastTransitionTime` is no heartbeat.
const TIMES: [&str; 4] = [
    "observedAt",
    "lastHeartbeatTime",
    "lastProbeTime",
    "lastUpdateTime",
];

/// The most characters of a standard condition's reason (Kubernetes API, `metav1.Condition`).
const MAX_REASON: usize = 1024;

/// The most bytes of a standard condition's message (Kubernetes API, `metav1.Condition`).
const MAX_MESSAGE: usize = 32_768;

/// The fields of an entry which is an object, as slices of its JSON.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub(super) type_: Option<&'a str>,
    value: Option<&'a str>,
    status: Option<&'a str>,
    reason: Option<&'a str>,
    message: Option<&'a str>,
    transition: Option<&'a str>,
    generation: Option<&'a str>,
    times: [Option<&'a str>; 4],
    /// A field that is there twice; the last one counts, as in the API server.
    duplicate: Option<&'static str>,
    /// The levels of the deepest field.
    depth: usize,
    /// The hash of the whole object.
    pub(super) content: u64,
}

impl<'a> Fields<'a> {
    /// Takes an object apart.
    ///
    /// # Errors
    ///
    /// When the text isn't one JSON object.
    pub(super) fn read(raw: &'a str) -> Result<Self, serde_json::Error> {
        let mut fields = Self::default();
        let mut sum = 0_u64;
        json::members(raw, |key, value| {
            let content = Json::read(value);
            if matches!(content, Json::List(_) | Json::Object(_)) {
                fields.depth = fields.depth.max(json::depth(value));
            }
            sum = sum.wrapping_add(json::pair(key.hash(), content.hash()));
            if let Json::Text(key) = &key {
                fields.put(key, value);
            }
        })?;
        fields.content = json::hash_members(sum);
        Ok(fields)
    }

    fn put(&mut self, key: &str, value: &'a str) {
        let (name, field) = match key {
            "value" => ("value", &mut self.value),
            "type" => ("type", &mut self.type_),
            "status" => ("status", &mut self.status),
            "reason" => ("reason", &mut self.reason),
            "message" => ("message", &mut self.message),
            "lastTransitionTime" => ("lastTransitionTime", &mut self.transition),
            "observedGeneration" => ("observedGeneration", &mut self.generation),
            _ => match TIMES
                .into_iter()
                .zip(&mut self.times)
                .find(|(name, _)| *name == key)
            {
                Some(found) => found,
                None => return,
            },
        };
        if field.replace(value).is_some() {
            self.duplicate = Some(name);
        }
    }
}

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

    /// Reads an entry of a map: the value itself, or an object with a `value`.
    pub(super) fn map_entry(mut self, raw: &str) -> Entry {
        if self.is_too_large(raw.len()) {
            return Entry::unjudgeable(hash_large(raw));
        }
        match Json::read(raw) {
            Json::Object(raw) => match Fields::read(raw) {
                Ok(fields) => self.map_object(&fields),
                Err(_) => self.unreadable(raw),
            },
            Json::List(raw) if self.is_too_deep(1 + json::depth(raw)) => {
                Entry::unjudgeable(hash_large(raw))
            }
            scalar => self.judge(&scalar, scalar.hash(), None, ""),
        }
    }

    /// Reads an entry of the standard list.
    pub(super) fn list_entry(mut self, raw: &str, fields: &Fields<'_>) -> Entry {
        let texts = length(fields.reason) + length(fields.message);
        if self.is_too_large(raw.len() - texts) || self.is_too_deep(2 + fields.depth) {
            return Entry::unjudgeable(fields.content);
        }
        self.check_duplicates(fields);
        self.check_texts(fields);
        let status = self.status(fields.status);
        let time = self.time(fields);
        let Some(value) = fields.value else {
            return self.judge_status(status, fields.content, time);
        };
        self.judge(&Json::read(value), fields.content, time, ".value")
    }

    fn map_object(mut self, fields: &Fields<'_>) -> Entry {
        if self.is_too_deep(2 + fields.depth) {
            return Entry::unjudgeable(fields.content);
        }
        self.check_duplicates(fields);
        let time = self.time(fields);
        if let Some(value) = fields.value {
            return self.judge(&Json::read(value), fields.content, time, ".value");
        }
        self.fault(
            Code::MissingValue,
            "",
            "is an object without a value; write {\"value\": …}, or the value itself",
        );
        self.entry(Reading::Missing, fields.content, fields.content, time)
    }

    /// Judges a value which stands in the entry's field.
    fn judge(
        mut self,
        value: &Json<'_>,
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
        let json = Json::Text(status.into());
        let means_unknown = status == UNKNOWN && !self.condition.kind.names(status);
        if means_unknown {
            return self.entry(Reading::NotANumber, content, json.hash(), time);
        }
        self.judge(&json, content, time, ".status")
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
            carries_time: time.is_some(),
        }
    }

    /// The first time that the entry carries.
    fn time(&mut self, fields: &Fields<'_>) -> Option<Timestamp> {
        let (name, raw) = TIMES
            .into_iter()
            .zip(fields.times)
            .find_map(|(name, raw)| Some((name, raw.filter(|raw| *raw != "null")?)))?;
        let time = timestamp(raw);
        if time.is_none() {
            self.bad_time(name, raw);
        }
        time
    }

    fn bad_time(&mut self, name: &str, raw: &str) {
        let words = format!(
            "has {} in {name}, which is no time; write it as RFC 3339 with an offset, such as \"2026-11-22T14:05:28.123Z\"",
            Excerpt(raw)
        );
        self.fault(Code::BadTime, &format!(".{name}"), &words);
    }

    /// A standard condition's status, if it is one of the three.
    fn status(&mut self, raw: Option<&str>) -> Option<&'static str> {
        let json = raw.map(Json::read);
        if let Some(Json::Text(text)) = &json
            && let Some(status) = STATUSES.into_iter().find(|status| status == text)
        {
            return Some(status);
        }
        let found = raw.map_or_else(
            || "no status".to_owned(),
            |raw| format!("status {}", Excerpt(raw)),
        );
        self.fault(
            Code::BadStatus,
            ".status",
            &format!("has {found}; write \"True\", \"False\" or \"Unknown\""),
        );
        None
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
        if let Some(raw) = fields.transition.filter(|raw| *raw != "null")
            && timestamp(raw).is_none()
        {
            self.bad_time("lastTransitionTime", raw);
        }
        if let Some(raw) = fields.generation.filter(|raw| *raw != "null")
            && raw.parse::<u64>().is_err()
        {
            let words = format!(
                "has {} as observedGeneration; write a whole number from 0",
                Excerpt(raw)
            );
            self.fault(Code::WrongType, ".observedGeneration", &words);
        }
    }

    fn check_text(
        &mut self,
        name: &str,
        raw: Option<&str>,
        limit: usize,
        unit: &str,
        measure: impl Fn(&str) -> usize,
    ) {
        let (code, words) = match raw.map(Json::read) {
            None | Some(Json::Null) => return,
            Some(Json::Text(text)) if measure(&text) <= limit => return,
            Some(Json::Text(text)) => (
                Code::TextTooLong,
                format!(
                    "has a {name} of {} {unit}, and Kubernetes allows {limit}; shorten it",
                    measure(&text)
                ),
            ),
            Some(other) => (
                Code::WrongType,
                format!("has {} as {name}; write text", other.noun()),
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

    fn unreadable(mut self, raw: &str) -> Entry {
        self.fault(Code::Malformed, "", "is no valid JSON; write it anew");
        Entry::unjudgeable(json::hash_raw(raw))
    }

    /// Notes what is wrong: the field behind the entry's path, and words whose subject is the key.
    fn fault(&mut self, code: Code, field: &str, words: &str) {
        self.legal = false;
        let key = Quoted(&self.condition.key);
        self.problems.add(Problem {
            code,
            field: format!("{}[{key}]{field}", self.contract.path()).into(),
            message: format!("key {key} {words}").into(),
        });
    }
}

/// The status of a standard condition that nobody knows.
const UNKNOWN: &str = "Unknown";

/// What a standard condition's status may be.
const STATUSES: [&str; 3] = ["True", "False", UNKNOWN];

/// The moment that a raw piece of JSON names.
fn timestamp(raw: &str) -> Option<Timestamp> {
    match Json::read(raw) {
        Json::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// A hash of a piece of any size, without making a copy of a long text.
pub(super) fn hash_large(raw: &str) -> u64 {
    if raw.starts_with('"') {
        json::hash_raw(raw)
    } else {
        Json::read(raw).hash()
    }
}

/// Whether a count is past a limit of the contract.
pub(super) fn exceeds(count: usize, limit: u32) -> bool {
    usize::try_from(limit).is_ok_and(|limit| count > limit)
}

fn length(raw: Option<&str>) -> usize {
    raw.map_or(0, str::len)
}
