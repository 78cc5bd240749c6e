//! A version: the resource version of an object, which is a number at every API server and a hash in a directory.

use std::fmt;

/// A resource version. There is one for each object, and a number needs no memory of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Number(u64),
    Text(Box<str>),
}

impl From<Box<str>> for Version {
    fn from(text: Box<str>) -> Self {
        // It must come back as it was, and a number is written in one way.
        let is_plain = text.starts_with(|first| matches!(first, '1'..='9'));
        match text.parse() {
            Ok(number) if is_plain => Self::Number(number),
            _ => Self::Text(text),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(formatter),
            Self::Text(text) => formatter.write_str(text),
        }
    }
}

impl From<&Version> for Box<str> {
    fn from(version: &Version) -> Self {
        match version {
            Version::Number(number) => number.to_string().into(),
            Version::Text(text) => text.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("100000001")]
    #[case("18446744073709551615")]
    #[case("18446744073709551616")]
    #[case("0")]
    #[case("007")]
    #[case("+7")]
    #[case("")]
    #[case("5f3a9c")]
    fn a_version_comes_back_as_it_was(#[case] text: &str) {
        let version = Version::from(Box::from(text));
        assert_eq!(Box::<str>::from(&version), text.into());
        assert_eq!(version.to_string(), text);
    }
}
