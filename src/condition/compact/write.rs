//! The bytes of what is kept of a report, as they are written.

use crate::condition::{
    compact::read::{
        ABSENT, CONTENT, CompactEntry, CompactValue, FAILED, FALSE, FIRST_UNMEASURED, MISSING,
        MOMENT, NOT_A_NUMBER, NUMBER, SAME_TIME, SEVERAL, TEXT, TIME, TRUE, UNJUDGEABLE,
        UNMEASURED,
    },
    report::Entry,
    value::{Reading, Value},
};

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
