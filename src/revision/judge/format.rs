//! Formats: what texts and numbers of a format look like, for those that the API server enforces.

// Addresses as text: these are no sockets.
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde_json::Number;

/// Whether a text fits a format; `None` where the API server enforces it and we can't tell.
///
/// A format that the API server doesn't know is fitted by every text.
pub(super) fn fits(text: &str, format: &str) -> Option<bool> {
    let compact = format.replace('-', "");
    Some(match compact.as_str() {
        "byte" => STANDARD.decode(text).is_ok() && !text.is_empty(),
        "date" => is_date(text),
        "datetime" => is_date_time(text),
        "duration" => DURATION.is_match(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => is_cidr(text),
        "uuid" => UUID.is_match(text),
        "uuid3" => UUID.is_match(text) && version(text) == Some('3'),
        "uuid4" => UUID.is_match(text) && version(text) == Some('4') && is_rfc_variant(text),
        "uuid5" => UUID.is_match(text) && version(text) == Some('5') && is_rfc_variant(text),
        "bsonobjectid" | "uri" | "email" | "hostname" | "mac" | "isbn" | "isbn10" | "isbn13"
        | "creditcard" | "ssn" | "hexcolor" | "rgbcolor" | "k8sshortname" | "k8slongname" => {
            return None;
        }
        _ => true,
    })
}

/// Whether a number fits a format.
pub(super) fn holds(number: &Number, format: &str) -> bool {
    let whole = number.as_i64();
    match format {
        "int32" => whole.is_none_or(|whole| i32::try_from(whole).is_ok()),
        "float" => number
            .as_f64()
            .is_none_or(|float| float.abs() <= f64::from(f32::MAX)),
        _ => true,
    }
}

static UUID: LazyLock<Regex> = LazyLock::new(|| {
    compiled("(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$")
});

/// Go's durations, and the words of Scala's.
static DURATION: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"^[-+]?(0|(([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$|(?i)[0-9]+\s*(ns|nano|us|µs|micro|ms|milli|s|sec|second|m|min|minute|h|hr|hour|d|day|w|week|wk)s?",
    )
});

static TIME: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r"^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](.[0-9]+)?(z|[+-][0-9]{2}:[0-9]{2})$")
});

#[allow(clippy::expect_used, reason = "the patterns are ours")]
fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a valid pattern")
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

fn is_date_time(text: &str) -> bool {
    let text = text.to_lowercase();
    let parts = text.split_once('t');
    parts.is_some_and(|(date, time)| is_date(date) && TIME.is_match(time))
}

fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else {
        return false;
    };
    let most = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.parse::<u8>().is_ok_and(|length| length <= most)
}

fn version(uuid: &str) -> Option<char> {
    uuid.chars().filter(|character| *character != '-').nth(12)
}

fn is_rfc_variant(uuid: &str) -> bool {
    let mut digits = uuid.chars().filter(|character| *character != '-');
    matches!(digits.nth(16), Some('8' | '9' | 'a' | 'b' | 'A' | 'B'))
}
