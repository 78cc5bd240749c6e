//! A cursor: reads JSON as slices of its text, in one pass, without building anything.
//!
//! It exists because an entry has to be known as a whole (its bytes are limited) and in its parts, which with `serde_json` alone means scanning it twice.
//! It takes apart what is flat and hands everything that nests to `serde_json`, so it holds no stack, and it accepts exactly the texts that `serde_json` accepts as raw values (RFC 8259).

use serde_json::value::RawValue;

use crate::condition::json::Json;

/// The text is no JSON here, or of another shape than asked for; `serde_json` puts it into words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// A place in a JSON text.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the beginning.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Goes past whitespace, and tells the place and the byte there.
    #[inline]
    pub(super) fn next_byte(&mut self) -> (usize, Option<u8>) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.byte() {
            self.at += 1;
        }
        (self.at, self.byte())
    }

    /// The text from a place up to here.
    #[inline]
    pub(super) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Takes one value.
    pub(super) fn value(&mut self) -> Result<Json<'a>, Broken> {
        match self.next_byte().1 {
            Some(b'"') => self.string(),
            Some(b'{') => self.nested().map(Json::Object),
            Some(b'[') => self.nested().map(Json::List),
            Some(b't') => self.literal("true", Json::Bool(true)),
            Some(b'f') => self.literal("false", Json::Bool(false)),
            Some(b'n') => self.literal("null", Json::Null),
            _ => self.number(),
        }
    }

    /// Takes an object member by member: `each` is given the key, and must take the value.
    pub(super) fn members(
        &mut self,
        mut each: impl FnMut(Json<'a>, &mut Self) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        self.sequence(b'{', b'}', |cursor| {
            let (_, Some(b'"')) = cursor.next_byte() else {
                return Err(Broken);
            };
            let key = cursor.string()?;
            cursor.expect(b':')?;
            each(key, cursor)
        })
    }

    /// Takes a list item by item: `each` must take the item.
    pub(super) fn items(
        &mut self,
        each: impl FnMut(&mut Self) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        self.sequence(b'[', b']', each)
    }

    /// Takes the whitespace at the end of the text.
    pub(super) fn end(&mut self) -> Result<(), Broken> {
        match self.next_byte() {
            (_, None) => Ok(()),
            _ => Err(Broken),
        }
    }

    fn sequence(
        &mut self,
        open: u8,
        close: u8,
        mut each: impl FnMut(&mut Self) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        self.expect(open)?;
        if self.next_byte().1 == Some(close) {
            self.at += 1;
            return Ok(());
        }
        loop {
            each(self)?;
            match self.next_byte().1 {
                Some(b',') => self.at += 1,
                Some(byte) if byte == close => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(Broken),
            }
        }
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), Broken> {
        if self.next_byte().1 == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(Broken)
        }
    }

    fn literal(&mut self, word: &str, json: Json<'a>) -> Result<Json<'a>, Broken> {
        let rest = self.text.get(self.at..).ok_or(Broken)?;
        if rest.starts_with(word) {
            self.at += word.len();
            Ok(json)
        } else {
            Err(Broken)
        }
    }

    /// Takes the string that begins here.
    fn string(&mut self) -> Result<Json<'a>, Broken> {
        let quote = self.at;
        self.at += 1;
        let mut is_plain = true;
        loop {
            self.at += plain_bytes(self.text.as_bytes().get(self.at..).unwrap_or_default());
            match self.byte() {
                Some(b'"') => {
                    let inside = self.since(quote + 1);
                    self.at += 1;
                    return Ok(if is_plain {
                        Json::Plain(inside)
                    } else {
                        Json::Escaped(self.since(quote))
                    });
                }
                Some(b'\\') => {
                    is_plain = false;
                    self.escape()?;
                }
                _ => return Err(Broken),
            }
        }
    }

    /// Takes the escape that begins here; whether it is half of a surrogate pair shows when the string is read.
    fn escape(&mut self) -> Result<(), Broken> {
        let rest = self.text.as_bytes().get(self.at + 1..).ok_or(Broken)?;
        self.at += match rest {
            [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [b'u', a, b, c, d, ..] if [a, b, c, d].into_iter().all(u8::is_ascii_hexdigit) => 6,
            _ => return Err(Broken),
        };
        Ok(())
    }

    fn number(&mut self) -> Result<Json<'a>, Broken> {
        let start = self.at;
        self.take(|byte| byte == b'-');
        if !self.take(|byte| byte == b'0') {
            self.digits()?;
        }
        if self.take(|byte| byte == b'.') {
            self.digits()?;
        }
        if self.take(|byte| byte == b'e' || byte == b'E') {
            self.take(|byte| byte == b'+' || byte == b'-');
            self.digits()?;
        }
        match self.byte() {
            Some(b'0'..=b'9') => Err(Broken),
            _ => Ok(Json::Number(self.since(start))),
        }
    }

    fn digits(&mut self) -> Result<(), Broken> {
        let start = self.at;
        while self.take(|byte| byte.is_ascii_digit()) {}
        if self.at == start {
            Err(Broken)
        } else {
            Ok(())
        }
    }

    /// Takes the object or list that begins here, however deep it nests.
    fn nested(&mut self) -> Result<&'a str, Broken> {
        let rest = self.text.get(self.at..).ok_or(Broken)?;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        let raw = values.next().and_then(Result::ok).ok_or(Broken)?.get();
        self.at += raw.len();
        Ok(raw)
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn take(&mut self, is_wanted: impl Fn(u8) -> bool) -> bool {
        let found = self.byte().is_some_and(is_wanted);
        self.at += usize::from(found);
        found
    }
}

/// The member of an object by its key; the last one where there are several.
pub(super) fn member<'a>(object: Json<'a>, wanted: &str) -> Option<Json<'a>> {
    let Json::Object(raw) = object else {
        return None;
    };
    let mut found = None;
    Cursor::new(raw)
        .members(|key, cursor| {
            let value = cursor.value()?;
            if key.is(wanted) {
                found = Some(value);
            }
            Ok(())
        })
        .ok()?;
    found
}

/// How many bytes at the beginning are inside of a string: before the first quote, backslash or control character.
///
/// Eight at a time, by the borrow that a subtraction leaves in the high bit of a byte; the lowest bit found is exact.
#[inline]
fn plain_bytes(bytes: &[u8]) -> usize {
    const EACH: u64 = u64::MAX / 0xff;
    const HIGH: u64 = EACH * 0x80;
    let below = |word: u64, limit: u64| word.wrapping_sub(EACH * limit) & !word;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = below(word ^ (EACH * u64::from(b'"')), 1);
        let backslash = below(word ^ (EACH * u64::from(b'\\')), 1);
        let control = below(word, u64::from(b' '));
        let found = (quote | backslash | control) & HIGH;
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let is_plain = |byte: &u8| *byte >= b' ' && *byte != b'"' && *byte != b'\\';
    let tail = rest.iter().position(|byte| !is_plain(byte));
    words.len() * 8 + tail.unwrap_or(rest.len())
}

#[cfg(test)]
mod tests;
