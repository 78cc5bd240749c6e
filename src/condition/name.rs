//! Qualified names: the form of every condition key.
//!
//! Source: Kubernetes, "Labels and Selectors", and `IsQualifiedName` of its API machinery.

/// The longest name part, in characters.
const MAX_NAME: usize = 63;

/// The longest prefix, a DNS subdomain (RFC 1123, section 2.1).
const MAX_PREFIX: usize = 253;

/// What is wrong with a key that is none, and what to do, as the second half of a sentence.
pub(super) const ADVICE: &str = "is no qualified name; write at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit, if need be behind a DNS name and '/'";

/// Whether the text is a qualified name: an optional DNS subdomain and `/`, then a name of at most 63 characters.
pub(super) fn is_qualified(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_name(name),
        None => is_name(text),
    }
}

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        && starts_and_ends(text, |byte| byte.is_ascii_alphanumeric())
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= MAX_PREFIX && text.split('.').all(is_lowercase_label)
}

fn is_lowercase_label(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.bytes().all(|byte| alphanumeric(byte) || byte == b'-')
        && starts_and_ends(text, alphanumeric)
}

fn starts_and_ends(text: &str, with: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|byte| with(*byte)) && bytes.last().is_some_and(|byte| with(*byte))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("network-latency")]
    #[case("Ready")]
    #[case("a")]
    #[case("a_b.c-9")]
    #[case("shop.example.com/error-rate")]
    #[case(&"x".repeat(63))]
    #[case(&format!("{}/{}", "x".repeat(253), "x".repeat(63)))]
    fn a_qualified_name_is_accepted(#[case] text: &str) {
        assert!(is_qualified(text));
    }

    #[rstest]
    #[case("")]
    #[case("-a")]
    #[case("a-")]
    #[case("a b")]
    #[case("a\n")]
    #[case("ä")]
    #[case("/a")]
    #[case("a/")]
    #[case("a/b/c")]
    #[case("Shop.example.com/a")]
    #[case("shop..com/a")]
    #[case(&"x".repeat(64))]
    #[case(&format!("{}/a", "x".repeat(254)))]
    fn anything_else_is_not(#[case] text: &str) {
        assert!(!is_qualified(text));
    }
}
