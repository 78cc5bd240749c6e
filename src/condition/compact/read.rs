//! The bytes of what is kept of a report, read from the beginning.
//!
//! Each entry is a byte that says what follows, its value, its id, its content where that is another hash, and its
//! heartbeat where the last one was another. Nothing else writes such bytes, so what can't be there is read as nothing.

use crate::condition::unmeasured::{Failure, Unmeasured};

/// Which value follows, in the low bits of the first byte.
pub(super) const KIND: u8 = 0x1f;
/// The content is another hash than the id, and follows it.
pub(super) const CONTENT: u8 = 0x20;
/// A heartbeat follows.
pub(super) const TIME: u8 = 0x40;
/// The heartbeat is that of the entry before.
pub(super) const SAME_TIME: u8 = 0x80;

/// The key was not there, and the entry is over.
pub(super) const ABSENT: u8 = 0;
pub(super) const MISSING: u8 = 1;
pub(super) const NOT_A_NUMBER: u8 = 2;
pub(super) const UNJUDGEABLE: u8 = 3;
pub(super) const FAILED: u8 = 4;
pub(super) const FALSE: u8 = 5;
pub(super) const TRUE: u8 = 6;
pub(super) const TEXT: u8 = 7;
pub(super) const MOMENT: u8 = 8;
pub(super) const SEVERAL: u8 = 9;
/// With the next ones, in the order of [`UNMEASURED`].
pub(super) const FIRST_UNMEASURED: u8 = 10;
/// A number, of which so many bytes follow: those behind are zero, as in most numbers that people write.
pub(super) const NUMBER: u8 = 16;

pub(super) const UNMEASURED: [Unmeasured; 6] = [
    Unmeasured::Unanswered,
    Unmeasured::SeveralSeries,
    Unmeasured::Old,
    Unmeasured::Failed(Failure::Failed),
    Unmeasured::Failed(Failure::TimedOut),
    Unmeasured::Failed(Failure::TooManySeries),
];

/// What is kept of one declared condition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompactEntry<'a> {
    /// What it said.
    pub value: CompactValue<'a>,
    /// See [`crate::condition::report::Entry::id`].
    pub id: u64,
    pub(in crate::condition) content: u64,
    /// The heartbeat that the entry carried, in milliseconds since the Unix epoch.
    pub observed_at: Option<i64>,
}

/// What a condition said, as far as rules and Envoy can tell: see [`crate::condition::value::Reading`] and
/// [`crate::condition::value::Value`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CompactValue<'a> {
    /// The key was not there.
    Missing,
    /// Nothing that is a number.
    NotANumber,
    /// Nothing that can be judged.
    Unjudgeable,
    /// A number of any kind.
    Number(f64),
    /// True or false.
    Boolean(bool),
    /// The expression that computes it failed.
    Failed,
    /// The query that measures it gives nothing that can be judged.
    Unmeasured(Unmeasured),
    /// A moment that an Age counts from, in milliseconds since the Unix epoch.
    Time(i64),
    /// Text.
    Text(&'a str),
    /// What each entry says that the key stands for, by its name.
    Several(Several<'a>),
}

/// What the declared conditions said, in the contract's order; nothing when none was there.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    reader: Reader<'a>,
    /// The last heartbeat so far: that of an entry is often the same.
    last: i64,
}

/// What each of several entries says, by its name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Several<'a> {
    pub(super) count: usize,
    reader: Reader<'a>,
}

impl CompactEntry<'_> {
    /// The hash of all that it said; 0 for an entry that is not there.
    pub fn content(&self) -> u64 {
        self.content
    }
}

impl<'a> Entries<'a> {
    pub(super) fn new(reader: Reader<'a>) -> Self {
        Self { reader, last: 0 }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = CompactEntry<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.reader.entry(&mut self.last)
    }
}

impl<'a> Several<'a> {
    /// The entries, in the order in which they stood there.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, CompactValue<'a>)> {
        let mut reader = self.reader;
        (0..self.count).map(move |_| reader.named())
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

    /// How many entries there were, how many of them undeclared, and the hash of these.
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
        let bits = if let Some(chunk) = self.rest.first_chunk() {
            u64::from_be_bytes(*chunk)
        } else {
            let mut chunk = [0; 8];
            let slots = chunk.iter_mut().zip(self.rest);
            slots.for_each(|(slot, byte)| *slot = *byte);
            u64::from_be_bytes(chunk)
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
