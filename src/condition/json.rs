//! JSON by slices: what kind of value a raw piece is, what it says, how deep it nests, and a hash of its canonical content.
//!
//! Canonical means that the order of an object's keys, whitespace and escapes make no difference.
//! The hashes tell honest values apart; they are no defense against someone who looks for collisions, and needn't be: that someone could as well write the same value twice.

use std::{borrow::Cow, fmt};

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use twox_hash::XxHash3_64;

use crate::condition::problem::Excerpt;

/// One value, as a slice of the text it stands in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Json<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as written.
    Number(&'a str),
    /// A string without escapes, without its quotes.
    Plain(&'a str),
    /// A string with escapes, as written.
    Escaped(&'a str),
    /// An array, as written.
    List(&'a str),
    /// An object, as written.
    Object(&'a str),
}

impl<'a> Json<'a> {
    /// The text of a string; `None` for anything else, and where half of a surrogate pair stands alone.
    #[inline]
    pub(super) fn text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Plain(text) => Some(Cow::Borrowed(text)),
            Self::Escaped(raw) => serde_json::from_str(raw).ok().map(Cow::Owned),
            _ => None,
        }
    }

    /// Whether it is this very text.
    pub(super) fn is(self, text: &str) -> bool {
        match self {
            Self::Plain(plain) => plain == text,
            Self::Escaped(_) => self.text().is_some_and(|found| found == text),
            _ => false,
        }
    }

    /// How many bytes it has as written.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Null | Self::Bool(true) => 4,
            Self::Bool(false) => 5,
            Self::Plain(text) => text.len() + 2,
            Self::Number(raw) | Self::Escaped(raw) | Self::List(raw) | Self::Object(raw) => {
                raw.len()
            }
        }
    }

    /// What to call it in a message.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Plain(_) | Self::Escaped(_) => "text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// How many levels of lists and objects it nests; 0 for a scalar.
    #[inline]
    pub(super) fn depth(self) -> usize {
        match self {
            Self::List(raw) | Self::Object(raw) => depth(raw),
            _ => 0,
        }
    }

    /// The hash of the canonical content.
    ///
    /// What `serde_json` can't take apart (more than 128 levels, numbers past a double inside of them, lone surrogates) counts as its bytes.
    #[inline]
    pub(super) fn hash(self) -> u64 {
        match self {
            Self::Null => hash_literal(0),
            Self::Bool(flag) => hash_literal(1 + u64::from(flag)),
            Self::Number(raw) => hash_number(raw),
            Self::Plain(text) => hash_text(text),
            Self::Escaped(raw) => self
                .text()
                .map_or_else(|| hash_raw(raw), |text| hash_text(&text)),
            Self::List(raw) | Self::Object(raw) => hash_nested(raw),
        }
    }
}

impl fmt::Display for Json<'_> {
    /// The value as JSON: cut, with invisible characters escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Null => f.write_str("null"),
            Self::Bool(flag) => write!(f, "{flag}"),
            Self::Plain(text) => write!(f, "\"{}\"", Excerpt(text)),
            Self::Number(raw) | Self::Escaped(raw) | Self::List(raw) | Self::Object(raw) => {
                write!(f, "{}", Excerpt(raw))
            }
        }
    }
}

/// How many levels of lists and objects a valid piece of JSON nests; 0 for a scalar.
///
/// It doesn't recurse, since the piece may have as many levels as bytes.
fn depth(raw: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    deepest
}

/// Goes on behind the closing quote.
fn skip_string(bytes: &mut impl Iterator<Item = u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => {
                bytes.next();
            }
            _ => {}
        }
    }
}

/// A hash of text, the same whether it is a key or a value.
#[inline]
pub(super) fn hash_text(text: &str) -> u64 {
    XxHash3_64::oneshot(text.as_bytes())
}

/// A hash of bytes that aren't taken apart.
pub(super) fn hash_raw(raw: &str) -> u64 {
    pair(RAW, hash_text(raw))
}

/// A hash of two hashes in this order.
#[inline]
pub(super) fn pair(first: u64, second: u64) -> u64 {
    let both = u128::from(first) << 64 | u128::from(second);
    XxHash3_64::oneshot(&both.to_le_bytes())
}

/// The hash of an object whose members, as pairs of key and value, sum to this.
pub(super) fn hash_members(sum: u64) -> u64 {
    pair(OBJECT, sum)
}

// Each tells one kind of value from the others; the values mean nothing.
const LITERAL: u64 = 1;
const INTEGER: u64 = 2;
const FLOAT: u64 = 3;
const LIST: u64 = 4;
const OBJECT: u64 = 5;
const RAW: u64 = 6;

fn hash_literal(which: u64) -> u64 {
    pair(LITERAL, which)
}

fn hash_integer(number: i64) -> u64 {
    pair(INTEGER, number.cast_unsigned())
}

fn hash_float(number: f64) -> u64 {
    pair(FLOAT, number.to_bits())
}

fn hash_number(raw: &str) -> u64 {
    if let Ok(number) = raw.parse::<i64>() {
        hash_integer(number)
    } else {
        raw.parse().map_or_else(|_| hash_raw(raw), hash_float)
    }
}

fn hash_nested(raw: &str) -> u64 {
    let mut deserializer = serde_json::Deserializer::from_str(raw);
    Hash.deserialize(&mut deserializer)
        .unwrap_or_else(|_| hash_raw(raw))
}

/// Hashes whatever comes, in one pass and without building it.
struct Hash;

impl<'de> DeserializeSeed<'de> for Hash {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Hash {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<u64, E> {
        Ok(hash_literal(0))
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<u64, E> {
        Ok(hash_literal(1 + u64::from(flag)))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<u64, E> {
        Ok(hash_integer(number))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "past i64 a number is what its double is, as in `hash_number`"
    )]
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
        Ok(i64::try_from(number).map_or_else(|_| hash_float(number as f64), hash_integer))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<u64, E> {
        Ok(hash_float(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        Ok(hash_text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<u64, A::Error> {
        let mut hash = LIST;
        while let Some(element) = list.next_element_seed(Self)? {
            hash = pair(hash, element);
        }
        Ok(hash)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<u64, A::Error> {
        let mut sum = 0_u64;
        while let Some(key) = object.next_key_seed(Self)? {
            sum = sum.wrapping_add(pair(key, object.next_value_seed(Self)?));
        }
        Ok(hash_members(sum))
    }
}

#[cfg(test)]
mod tests;
