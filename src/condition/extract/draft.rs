//! A draft: a report in the making, to which entries are added as they are read.

use std::borrow::Cow;

use fusegate_crds::UnknownKeys;

use crate::condition::{
    contract::{Condition, Contract},
    entry::{self, Reader},
    json::{self, Json},
    kind::Kind,
    name,
    problem::{Code, Escaped, Problem, Problems},
    report::{Entry, MAX_UNDECLARED, Report},
    time::{self, Clock, Time},
    value::Reading,
};

/// A report in the making.
pub(super) struct Draft<'c, 't> {
    pub(super) contract: &'c Contract,
    report: Report,
    pub(super) problems: Problems,
    pub(super) clock: Clock,
    /// One bit for each declared key that was seen; a contract declares at most 64.
    seen: u64,
    /// When each declared item of a list says that it changed, for the case of two of one type; empty while none says it.
    changed: Vec<&'t str>,
    /// Undeclared keys that are passed over.
    ignored: usize,
    /// What each key with a `*` stands for: the condition's index, the name, and the entry.
    several: Vec<(usize, Box<str>, Entry)>,
}

impl<'c, 't> Draft<'c, 't> {
    pub(super) fn new(contract: &'c Contract) -> Self {
        Self {
            contract,
            report: Report::absent(contract),
            problems: Problems::default(),
            clock: Clock::default(),
            seen: 0,
            changed: Vec::new(),
            ignored: 0,
            several: Vec::new(),
        }
    }

    /// Adds one of the entries that a key with a `*` stands for; `read` is not asked for more of them than there may be.
    pub(super) fn one_of_several(
        &mut self,
        index: usize,
        hash: u64,
        name: &str,
        read: impl FnOnce(Reader<'_>) -> Entry,
    ) {
        let Some(condition) = self.contract.conditions().get(index) else {
            return;
        };
        if entry::exceeds(self.several.len(), self.contract.limits().max_entries) {
            // That there are too many will be said.
            self.report.keys += 1;
            return;
        }
        let entry = read(self.reader(condition));
        self.count(json::pair(hash, json::hash_text(name)), &entry);
        self.several.push((index, name.into(), entry));
    }

    /// Reads the entry of a declared key. Of two of them the one that changed last is judged, and of two that don't say the later.
    pub(super) fn declared(
        &mut self,
        index: usize,
        hash: u64,
        changed: &'t str,
        read: impl FnOnce(Reader<'_>) -> Entry,
    ) {
        let Some(condition) = self.contract.conditions().get(index) else {
            return;
        };
        if self.seen & bit(index) != 0 {
            let earlier = self.changed.get(index).copied().unwrap_or_default();
            if is_later(earlier, changed) {
                self.report.keys += 1;
                self.note_duplicate(condition);
                return;
            }
            let field = self.contract.problem(condition, "", Code::DuplicateKey, "");
            self.problems.withdraw(&field.field);
            self.note_duplicate(condition);
        }
        if !changed.is_empty() || !self.changed.is_empty() {
            self.changed.resize(self.contract.conditions().len(), "");
            if let Some(slot) = self.changed.get_mut(index) {
                *slot = changed;
            }
        }
        let entry = read(self.reader(condition));
        self.put(index, hash, entry);
    }

    /// What reads an entry of a condition.
    pub(super) fn reader<'a>(&'a mut self, condition: &'a Condition) -> Reader<'a> {
        Reader::new(
            self.contract,
            condition,
            &mut self.problems,
            &mut self.clock,
        )
    }

    fn note_duplicate(&mut self, condition: &Condition) {
        self.problems.note(self.contract.problem(
            condition,
            "",
            Code::DuplicateKey,
            "is there more than once, and the one that changed last is judged; write it once",
        ));
    }

    /// Makes an entry that of its condition.
    pub(super) fn put(&mut self, index: usize, hash: u64, entry: Entry) {
        self.count(hash, &entry);
        self.seen |= bit(index);
        if let Some(slot) = self.report.entries.get_mut(index) {
            *slot = entry;
        }
    }

    fn count(&mut self, hash: u64, entry: &Entry) {
        self.report.keys += 1;
        let content = json::pair(hash, entry.content);
        self.report.content = self.report.content.wrapping_add(content);
    }

    pub(super) fn undeclared(&mut self, key: Json<'_>, content: u64, default: UnknownKeys) {
        let report = &mut self.report;
        let hash = json::pair(key.hash(), content);
        report.keys += 1;
        report.undeclared_keys += 1;
        report.content = report.content.wrapping_add(hash);
        report.undeclared_content = report.undeclared_content.wrapping_add(hash);
        if report.undeclared.len() < MAX_UNDECLARED {
            report
                .undeclared
                .push(Escaped(&name_of(key)).to_string().into());
        }
        if self.contract.rejects_unknown_keys(default) {
            self.problems
                .add_undeclared(|| unknown_key(self.contract, &name_of(key)));
        } else {
            self.ignored += 1;
        }
    }

    /// Takes an item without a type, which is no condition.
    pub(super) fn nameless(&mut self, item: Json<'_>, content: u64) {
        let index = self.report.keys;
        self.report.keys += 1;
        self.report.content = self.report.content.wrapping_add(content);
        let problem = || {
            Problem {
            code: Code::Malformed,
            field: format!("{}[{index}]", self.contract.path()).into(),
            message: format!(
                "item {index} is {} ({item}) without a type, and no condition; write {{\"type\": …, \"status\": …}}, or let the contract read it with from: {{cel: …}}",
                item.noun()
            )
            .into(),
        }
        };
        if self.contract.rejects_unknown_keys(UnknownKeys::Ignore) {
            self.problems.add_undeclared(problem);
        } else {
            self.ignored += 1;
            self.problems.note(problem());
        }
    }

    /// Puts together what each key with a `*` stands for.
    fn gather(&mut self) {
        self.several.sort_by_key(|(index, ..)| *index);
        for each in self.several.chunk_by(|one, next| one.0 == next.0) {
            let index = each.first().map_or(0, |(index, ..)| *index);
            let Some(slot) = self.report.entries.get_mut(index) else {
                continue;
            };
            for (_, name, entry) in each {
                let hash = json::hash_text(name);
                slot.legal &= entry.legal;
                slot.content = slot.content.wrapping_add(json::pair(hash, entry.content));
                slot.id = slot.id.wrapping_add(json::pair(hash, entry.id));
                slot.observed_at = slot.observed_at.max(entry.observed_at);
            }
            let readings = each
                .iter()
                .map(|(_, name, entry)| (name.clone(), entry.reading.clone()));
            slot.reading = Reading::Several(readings.collect());
        }
    }

    /// The report.
    pub(super) fn finish(mut self) -> Report {
        self.gather();
        let conditions = self.contract.conditions().iter();
        for (index, (condition, entry)) in conditions.zip(&mut self.report.entries).enumerate() {
            if condition.kind == Kind::Presence && self.seen & bit(index) == 0 {
                *entry = Entry::not_present();
            }
        }
        let counted = self.report.keys - self.ignored;
        let limit = self.contract.limits().max_entries;
        if entry::exceeds(counted, limit) {
            self.problems.add_first(Problem {
                code: Code::TooManyEntries,
                field: self.contract.path().into(),
                message: format!(
                    "has {counted} entries, and contract {} allows {limit} (limits.maxEntries); remove some or raise the limit there",
                    self.contract.name()
                )
                .into(),
            });
        }
        let notes = self.problems.take_notes();
        let (problems, omitted) = self.problems.finish();
        Report {
            problems,
            problems_omitted: omitted,
            notes,
            ..self.report
        }
    }
}

fn bit(index: usize) -> u64 {
    1_u64 << (index % 64)
}

/// Whether the first of two texts is a time later than the second, or a time where that is none.
fn is_later(one: &str, other: &str) -> bool {
    match (time::read(one), time::read(other)) {
        (Time::Moment(one), Time::Moment(other)) => one > other,
        (Time::Moment(_), _) => true,
        _ => false,
    }
}

/// The problem of an undeclared key: the most telling of the three reasons why it can't be legal.
fn unknown_key(contract: &Contract, key: &str) -> Problem {
    let limit = contract.limits().max_key_length;
    let length = key.chars().count();
    let (code, words) = if entry::exceeds(length, limit) {
        let words = format!(
            "has {length} characters, and contract {} allows {limit} (limits.maxKeyLength); shorten it",
            contract.name()
        );
        (Code::KeyTooLong, words)
    } else if name::is_qualified(key) {
        let words = format!(
            "is not declared by contract {}; declare it there or set unknownKeys: Ignore",
            contract.name()
        );
        (Code::UnknownKey, words)
    } else {
        (Code::KeyMalformed, name::ADVICE.to_owned())
    };
    Problem::of_entry(contract.path(), key, "", code, &words)
}

/// A key's text; as written where it is none, because half of a surrogate pair stands alone in it.
pub(super) fn name_of(key: Json<'_>) -> Cow<'_, str> {
    match key {
        Json::Escaped(raw) => key.text().unwrap_or(Cow::Borrowed(raw)),
        _ => key.text().unwrap_or_default(),
    }
}
