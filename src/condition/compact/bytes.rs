//! The bytes of what is kept of a report: written once, and read from the beginning.
//!
//! Each entry is a byte that says what follows, its value, its id, its content where that is another hash, and its
//! heartbeat where the last one was another. Nothing else writes such bytes, so what can't be there is read as nothing.

use crate::condition::{
    compact::{CompactEntry, CompactValue, Several},
    report::Entry,
    unmeasured::{Failure, Unmeasured},
    value::{Reading, Value},
};

/// Which value follows, in the low bits of the first byte.
const KIND: u8 = 0x1f;
/// The content is another hash than the id, and follows it.
const CONTENT: u8 = 0x20;
/// A heartbeat follows.
const TIME: u8 = 0x40;
/// The heartbeat is that of the entry before.
const SAME_TIME: u8 = 0x80;

/// The key was not there, and the entry is over.
const ABSENT: u8 = 0;
const MISSING: u8 = 1;
const NOT_A_NUMBER: u8 = 2;
const UNJUDGEABLE: u8 = 3;
const FAILED: u8 = 4;
const FALSE: u8 = 5;
const TRUE: u8 = 6;
const TEXT: u8 = 7;
const MOMENT: u8 = 8;
const SEVERAL: u8 = 9;
/// With the next ones, in the order of [`UNMEASURED`].
const FIRST_UNMEASURED: u8 = 10;
/// A number, of which so many bytes follow: those behind are zero, as in most numbers that people write.
const NUMBER: u8 = 16;

const UNMEASURED: [Unmeasured; 6] = [
    Unmeasured::Unanswered,
    Unmeasured::SeveralSeries,
    Unmeasured::Old,
    Unmeasured::Failed(Failure::Failed),
    Unmeasured::Failed(Failure::TimedOut),
    Unmeasured::Failed(Failure::TooManySeries),
];

/// About how many bytes an entry has.
const ENTRY_BYTES: usize = 24;

/// Writes the bytes.
pub(super) struct Writer {
    bytes: Vec<u8>,
    /// The last heartbeat so far.
    last: i64,
}

impl Writer {
    pub(super) fn new(entries: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(4 + entries * ENTRY_BYTES),
            last: 0,
        }
    }

    /// How many entries there are, how many of them are undeclared, and the hash of these.
    pub(super) fn counts(&mut self, keys: usize, undeclared: usize, content: u64) {
        self.count(keys);
        self.count(undeclared);
        if undeclared > 0 {
            self.word(content);
        }
    }

    /// One entry of a report.
    pub(super) fn entry(&mut self, entry: &Entry) {
        let first = self.bytes.len();
        self.reading(&entry.reading);
        self.end(first, entry.id, entry.content, entry.observed_at);
    }

    /// One entry as it was kept.
    pub(super) fn known(&mut self, entry: Option<&CompactEntry<'_>>) {
        let first = self.bytes.len();
        match entry {
            Some(entry) => {
                self.value(entry.value);
                self.end(first, entry.id, entry.content, entry.observed_at);
            }
            None => self.bytes.push(ABSENT),
        }
    }

    pub(super) fn finish(self) -> Box<[u8]> {
        self.bytes.into()
    }

    /// What follows the value of the entry that begins there.
    fn end(&mut self, first: usize, id: u64, content: u64, time: Option<i64>) {
        if self.bytes.get(first) == Some(&MISSING) && (id, content, time) == (0, 0, None) {
            self.bytes.truncate(first);
            self.bytes.push(ABSENT);
            return;
        }
        let mut flags = 0;
        self.word(id);
        if content != id {
            flags |= CONTENT;
            self.word(content);
        }
        match time {
            Some(time) if time == self.last => flags |= SAME_TIME,
            Some(time) => {
                flags |= TIME;
                self.word(time.cast_unsigned());
                self.last = time;
            }
            None => {}
        }
        if let Some(byte) = self.bytes.get_mut(first) {
            *byte |= flags;
        }
    }

    fn reading(&mut self, reading: &Reading) {
        match reading {
            Reading::Missing => self.value(CompactValue::Missing),
            Reading::NotANumber => self.value(CompactValue::NotANumber),
            Reading::Unjudgeable => self.value(CompactValue::Unjudgeable),
            Reading::Failed => self.value(CompactValue::Failed),
            Reading::Unmeasured(why) => self.value(CompactValue::Unmeasured(*why)),
            Reading::Several(each) => {
                self.bytes.push(SEVERAL);
                self.count(each.len());
                for (name, reading) in each {
                    self.text(name);
                    self.reading(reading);
                }
            }
            Reading::Value(Value::Boolean(flag)) => self.value(CompactValue::Boolean(*flag)),
            Reading::Value(Value::Time(millis)) => self.value(CompactValue::Time(*millis)),
            Reading::Value(Value::Text(text)) => self.value(CompactValue::Text(text)),
            Reading::Value(number) => {
                let number = number.number().unwrap_or(f64::NAN);
                self.value(CompactValue::Number(number));
            }
        }
    }

    fn value(&mut self, value: CompactValue<'_>) {
        match value {
            CompactValue::Missing => self.bytes.push(MISSING),
            CompactValue::NotANumber => self.bytes.push(NOT_A_NUMBER),
            CompactValue::Unjudgeable => self.bytes.push(UNJUDGEABLE),
            CompactValue::Failed => self.bytes.push(FAILED),
            CompactValue::Boolean(flag) => self.bytes.push(if flag { TRUE } else { FALSE }),
            CompactValue::Unmeasured(why) => {
                let kinds = UNMEASURED.iter().zip(FIRST_UNMEASURED..);
                let known = kinds.filter(|(each, _)| **each == why);
                self.bytes.extend(known.map(|(_, kind)| kind));
            }
            CompactValue::Number(number) => {
                let bits = number.to_bits();
                let zeros = bits.trailing_zeros() / 8;
                self.bytes
                    .push(NUMBER + 8 - u8::try_from(zeros).unwrap_or(0));
                self.bytes.extend_from_slice(&bits.to_be_bytes());
                self.bytes.truncate(self.bytes.len() - zeros as usize);
            }
            CompactValue::Time(millis) => {
                self.bytes.push(MOMENT);
                self.word(millis.cast_unsigned());
            }
            CompactValue::Text(text) => {
                self.bytes.push(TEXT);
                self.text(text);
            }
            CompactValue::Several(several) => {
                self.bytes.push(SEVERAL);
                self.count(several.count);
                for (name, value) in several.iter() {
                    self.text(name);
                    self.value(value);
                }
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn word(&mut self, word: u64) {
        self.bytes.extend_from_slice(&word.to_le_bytes());
    }

    /// A number that is nearly always small: seven bits a byte, the lowest first, and the high bit where more follow.
    fn count(&mut self, mut count: usize) {
        loop {
            let [low, ..] = count.to_le_bytes();
            count >>= 7;
            if count == 0 {
                return self.bytes.push(low);
            }
            self.bytes.push(low | 0x80);
        }
    }
}

/// Reads the bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// See [`Writer::counts`].
    pub(super) fn counts(&mut self) -> (usize, usize, u64) {
        let keys = self.count();
        let undeclared = self.count();
        let content = if undeclared > 0 { self.word() } else { 0 };
        (keys, undeclared, content)
    }

    /// The next entry, after one whose heartbeat was the last.
    pub(super) fn entry(&mut self, last: &mut i64) -> Option<CompactEntry<'a>> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        let value = self.value(first & KIND);
        let id = if first & KIND == ABSENT {
            0
        } else {
            self.word()
        };
        let content = if first & CONTENT == 0 {
            id
        } else {
            self.word()
        };
        if first & TIME != 0 {
            *last = self.word().cast_signed();
        }
        Some(CompactEntry {
            value,
            id,
            content,
            observed_at: (first & (TIME | SAME_TIME) != 0).then_some(*last),
        })
    }

    /// One of several values, and its name.
    pub(super) fn named(&mut self) -> (&'a str, CompactValue<'a>) {
        let name = self.text();
        let kind = self.byte();
        (name, self.value(kind))
    }

    fn value(&mut self, kind: u8) -> CompactValue<'a> {
        match kind {
            NOT_A_NUMBER => CompactValue::NotANumber,
            UNJUDGEABLE => CompactValue::Unjudgeable,
            FAILED => CompactValue::Failed,
            FALSE => CompactValue::Boolean(false),
            TRUE => CompactValue::Boolean(true),
            TEXT => CompactValue::Text(self.text()),
            MOMENT => CompactValue::Time(self.word().cast_signed()),
            SEVERAL => self.several(),
            NUMBER.. => CompactValue::Number(f64::from_bits(self.bits(kind - NUMBER))),
            FIRST_UNMEASURED.. => {
                let why = UNMEASURED.get(usize::from(kind - FIRST_UNMEASURED));
                why.map_or(CompactValue::Missing, |why| CompactValue::Unmeasured(*why))
            }
            _ => CompactValue::Missing,
        }
    }

    /// The first bytes of a number, as many as are not zero.
    fn bits(&mut self, count: u8) -> u64 {
        // What follows is read with them and cut off: at least an id does, except within several values.
        let bits = match self.rest.first_chunk() {
            Some(chunk) => u64::from_be_bytes(*chunk),
            None => {
                let mut chunk = [0; 8];
                chunk
                    .iter_mut()
                    .zip(self.rest)
                    .for_each(|(slot, byte)| *slot = *byte);
                u64::from_be_bytes(chunk)
            }
        };
        self.take(count.into());
        let cut = u64::MAX.checked_shr(u32::from(count) * 8);
        bits & !cut.unwrap_or(0)
    }

    fn several(&mut self) -> CompactValue<'a> {
        let count = self.count();
        let several = Several {
            count,
            reader: *self,
        };
        for _ in 0..count {
            self.named();
        }
        CompactValue::Several(several)
    }

    fn text(&mut self) -> &'a str {
        let length = self.count();
        str::from_utf8(self.take(length)).unwrap_or_default()
    }

    fn word(&mut self) -> u64 {
        let Some((word, rest)) = self.rest.split_first_chunk() else {
            return 0;
        };
        self.rest = rest;
        u64::from_le_bytes(*word)
    }

    fn count(&mut self) -> usize {
        let (mut count, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            count |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 || shift > 56 {
                return count;
            }
        }
    }

    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at_checked(count).unwrap_or_default();
        self.rest = rest;
        taken
    }
}
