//! A digest: 128-bit XXH3 over a stream of bytes, for comparing two runs.
//!
//! The digest of the audit lines equals `xxh128sum` of an audit log that holds this run only.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A digest, written as 32 hexadecimal digits. It detects accidents, not forgeries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(pub u128);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = (text.len() == 32).then(|| u128::from_str_radix(&text, 16));
        let expected = &"32 hexadecimal digits";
        match digits {
            Some(Ok(digest)) => Ok(Self(digest)),
            _ => Err(de::Error::invalid_value(
                de::Unexpected::Str(&text),
                expected,
            )),
        }
    }
}
