//! One declared entry: its limits, its heartbeat, and the judgment of its value.
//!
//! Only what is judged can be wrong: a reason, a message, a generation or a field that no one declared may be there in any form.

use jiff::Timestamp;
use twox_hash::XxHash3_64;

use crate::condition::{
    contract::{Condition, Contract, Heartbeat},
    fields::{Fields, present},
    json::{self, Json},
    judgment::Judgment,
    kind::Kind,
    problem::{Code, Problems},
    report::Entry,
    time::{Clock, Time},
    value::{Reading, Value},
};

/// Reads one declared entry, and hands on every problem that it has.
pub(super) struct Reader<'a> {
    contract: &'a Contract,
    condition: &'a Condition,
    problems: &'a mut Problems,
    clock: &'a mut Clock,
    legal: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        contract: &'a Contract,
        condition: &'a Condition,
        problems: &'a mut Problems,
        clock: &'a mut Clock,
    ) -> Self {
        Self {
            contract,
            condition,
            problems,
            clock,
            legal: true,
        }
    }

    /// Reads an entry that is no object: the value itself.
    pub(super) fn bare(self, value: Json<'_>) -> Entry {
        let content = value.hash();
        match (&self.condition.kind, value) {
            (Kind::Presence, Json::Null) => Entry {
                content,
                ..Entry::not_present()
            },
            (Kind::Presence, _) => self.present(content, None),
            _ => self.judge(value, content, content, None, ""),
        }
    }

    /// Reads an entry that is an object with a `value`, or else a `status`.
    pub(super) fn object(mut self, fields: &Fields<'_>) -> Entry {
        let heartbeat = self.heartbeat(fields);
        let content = fields.content;
        if self.condition.kind == Kind::Presence {
            return self.present(content, heartbeat);
        }
        let values = [
            (fields.value, fields.value_hash, ".value"),
            (fields.status, fields.status_hash, ".status"),
        ];
        let found = values
            .into_iter()
            .find_map(|(value, hash, field)| Some((present(value)?, hash, field)));
        if let Some((value, hash, field)) = found {
            return self.judge(value, content, hash, heartbeat, field);
        }
        self.fault(
            Code::MissingValue,
            "",
            "has neither value nor status; write one of them, or, where its being there says enough, declare it with type Presence",
        );
        self.entry(Reading::Unjudgeable, content, content, heartbeat)
    }

    /// The entry of a key of type Presence that is there.
    fn present(self, content: u64, heartbeat: Option<Timestamp>) -> Entry {
        let present = Json::Bool(true);
        self.judge(present, content, present.hash(), heartbeat, "")
    }

    /// Judges a value, of this hash, which stands in the entry's field.
    fn judge(
        mut self,
        value: Json<'_>,
        content: u64,
        judged: u64,
        heartbeat: Option<Timestamp>,
        field: &str,
    ) -> Entry {
        let levels = if field.is_empty() { 1 } else { 2 };
        if self.is_too_large(value) || self.is_too_deep(levels + value.depth()) {
            return self.entry(Reading::Unjudgeable, content, content, heartbeat);
        }
        let Judgment { reading, fault } = self.condition.kind.judge(value, self.contract.name());
        if let Some((code, words)) = fault {
            self.fault(code, field, &words);
        }
        self.entry(reading, content, judged, heartbeat)
    }

    fn entry(
        self,
        reading: Reading,
        content: u64,
        judged: u64,
        heartbeat: Option<Timestamp>,
    ) -> Entry {
        Entry {
            reading,
            legal: self.legal,
            observed_at: heartbeat.map(Timestamp::as_millisecond),
            content,
            id: heartbeat.map_or(judged, |time| {
                let time = XxHash3_64::oneshot(&time.as_nanosecond().to_le_bytes());
                json::pair(time, judged)
            }),
        }
    }

    /// The time that moves with each report. One that can't be read is none, and is told.
    fn heartbeat(&mut self, fields: &Fields<'_>) -> Option<Timestamp> {
        let (name, value) = match &self.condition.heartbeat {
            Heartbeat::Usual => fields.heartbeat()?,
            Heartbeat::Field(name) => (&**name, fields.named(name)?),
            Heartbeat::None => return None,
        };
        let text = value.text();
        match text.as_deref().map(|text| self.clock.read(text)) {
            Some(Time::Moment(moment)) => Some(moment),
            Some(Time::Absent) => None,
            Some(Time::Unreadable) | None => {
                self.note_time(name, value);
                None
            }
        }
    }

    fn note_time(&mut self, name: &str, value: Json<'_>) {
        let words = format!(
            "has {value} in {name}, which is no time, so it has no heartbeat; write it as RFC 3339 with an offset, such as \"2026-11-22T14:05:28.123Z\""
        );
        let field = format!(".{name}");
        let problem = self
            .contract
            .problem(self.condition, &field, Code::BadTime, &words);
        self.problems.note(problem);
    }

    fn is_too_large(&mut self, value: Json<'_>) -> bool {
        let limit = self.contract.limits().max_value_bytes;
        let bytes = value.bytes();
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
        let problem = self.contract.problem(self.condition, field, code, words);
        self.problems.add(problem);
    }
}

impl Entry {
    /// The entry of a key of type Presence that isn't there.
    pub(super) fn not_present() -> Self {
        let present = Json::Bool(false);
        Self {
            reading: Reading::Value(Value::Boolean(false)),
            id: present.hash(),
            ..Self::MISSING
        }
    }
}

/// Whether a count is past a limit of the contract.
pub(super) fn exceeds(count: usize, limit: u32) -> bool {
    usize::try_from(limit).is_ok_and(|limit| count > limit)
}
