//! A digest: XXH3 with 128 bits over a stream of bytes, by which two runs are compared.
//!
//! That of the audit lines is what `xxh128sum` says of an audit log that holds one run and nothing else.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A digest, written as 32 hexadecimal digits. It tells accidents apart, not forgeries.
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
