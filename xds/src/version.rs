//! A version: the hash of content, equal wherever the content is equal, so that every replica names it alike.

use std::fmt::{self, Debug, Display, Formatter};

use twox_hash::XxHash3_128;

/// A content hash of 128 bits, written as 32 hexadecimal digits.
///
/// It is not a cryptographic hash: two contents of one resource that collide by accident are not a concern at 128 bits, and the publisher is trusted.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version([u8; 16]);

impl Version {
    /// The version of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(XxHash3_128::oneshot(bytes).to_be_bytes())
    }

    /// Reads a version back from a client; `None` for one that this library has not written.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 {
            return None;
        }
        let value = u128::from_str_radix(text, 16).ok()?;
        Some(Self(value.to_be_bytes()))
    }

    /// What `Display` writes, for those who write it with every message.
    pub(crate) fn digits(self) -> [u8; 32] {
        let mut digits = [0; 32];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 0xf)]);
        }
        digits
    }

    /// Adds a member to the version of a set; the order of additions does not matter.
    pub(crate) fn include(self, member: Self) -> Self {
        Self(self.value().wrapping_add(member.value()).to_be_bytes())
    }

    /// Takes a member out of the version of a set.
    pub(crate) fn exclude(self, member: Self) -> Self {
        Self(self.value().wrapping_sub(member.value()).to_be_bytes())
    }

    pub(crate) fn value(self) -> u128 {
        u128::from_be_bytes(self.0)
    }
}

/// The digit of a number below 16.
fn digit(number: u8) -> u8 {
    number + if number < 10 { b'0' } else { b'a' - 10 }
}

impl Display for Version {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.value())
    }
}

impl Debug for Version {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn a_version_survives_the_wire() {
        let version = Version::of(b"content");
        assert_eq!(Version::parse(&version.to_string()), Some(version));
        assert_eq!(version.digits(), *version.to_string().as_bytes());
        assert_eq!(Version::parse("v1"), None);
        assert_eq!(Version::parse(&"x".repeat(32)), None);
    }

    #[test]
    fn a_set_has_one_version_whatever_the_order() {
        let (a, b) = (Version::of(b"a"), Version::of(b"b"));
        let set = Version::default().include(a).include(b);
        assert_eq!(set, Version::default().include(b).include(a));
        assert_eq!(set.exclude(a).exclude(b), Version::default());
    }
}
