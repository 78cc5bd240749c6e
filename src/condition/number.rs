//! Numbers in text: plain, with a duration's units, with a quantity's suffix, with `%`.
//!
//! Every reader takes the words for infinity and `NaN` as well, in any case and with a sign, and leaves it to the caller what they mean.
//! What is too large for a double is read as infinity; nothing wraps.

/// Nanoseconds in a millisecond.
const MILLISECOND: f64 = 1e6;

/// A plain number: digits with an optional sign, fraction and exponent.
pub(super) fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// A number with an optional `%` behind it.
pub(super) fn percent(text: &str) -> Option<f64> {
    number(text.strip_suffix('%').unwrap_or(text))
}

/// A duration in milliseconds, in Go's syntax with days and weeks, or in that of ISO 8601.
///
/// A sign, then numbers with optional fractions, each with a unit of `w`, `d`, `h`, `m`, `s`, `ms`, `us`, `µs` or `ns`; or `0`; or `P1W`, `P1DT1H30M0.5S`.
/// A day is 24 hours. Years and months, whose length varies, are not read.
/// As in Go, fractions of a nanosecond are cut off; unlike Go's, a duration may be longer than 292 years.
pub(super) fn duration(text: &str) -> Option<f64> {
    if let Some(word) = word(text) {
        return Some(word);
    }
    let (negative, unsigned) = sign(text);
    let nanoseconds = match (unsigned, unsigned.strip_prefix('P')) {
        ("", _) => return None,
        ("0", _) => 0,
        (_, Some(iso)) => iso_nanoseconds(iso)?,
        (_, None) => nanoseconds(unsigned, unit)?,
    };
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact up to 104 days, and nearest beyond"
    )]
    let millis = nanoseconds as f64 / MILLISECOND;
    Some(if negative { -millis } else { millis })
}

/// Dates before a `T`, times behind it; at least one of them.
fn iso_nanoseconds(text: &str) -> Option<u128> {
    let (dates, times) = match text.split_once('T') {
        Some((dates, times)) => (dates, Some(times)),
        None => (text, None),
    };
    if dates.is_empty() && times.is_none() || times == Some("") {
        return None;
    }
    let dates = nanoseconds(dates, iso_date)?;
    Some(dates.saturating_add(nanoseconds(times.unwrap_or_default(), iso_time)?))
}

/// The sum of all numbers with their units; saturating, so that it can't wrap.
fn nanoseconds(text: &str, unit: impl Fn(&str) -> Option<(u128, &str)>) -> Option<u128> {
    let mut total = 0_u128;
    let mut rest = text;
    while !rest.is_empty() {
        let (whole, after) = digits(rest);
        let (fraction, after) = match after.strip_prefix(['.', ',']) {
            Some(after) => digits(after),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let (unit, after) = unit(after)?;
        total = total
            .saturating_add(saturating(whole).saturating_mul(unit))
            .saturating_add(part(fraction, unit));
        rest = after;
    }
    Some(total)
}

/// A fraction of a unit, in nanoseconds; digits past the fifteenth are below any of them.
fn part(fraction: &str, unit: u128) -> u128 {
    let mut value = unit * 1_000_000_000_000_000;
    let mut total = 0;
    for digit in fraction.bytes().take(15) {
        value /= 10;
        total += u128::from(digit - b'0') * value;
    }
    total / 1_000_000_000_000_000
}

/// Digits as a number, as large as can be when they are too many.
fn saturating(digits: &str) -> u128 {
    if digits.is_empty() {
        0
    } else {
        digits.parse().unwrap_or(u128::MAX)
    }
}

/// Leading digits, and what follows them.
fn digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

const SECOND: u128 = 1_000_000_000;
const MINUTE: u128 = 60 * SECOND;
const HOUR: u128 = 60 * MINUTE;
const DAY: u128 = 24 * HOUR;
const WEEK: u128 = 7 * DAY;

/// A leading unit in nanoseconds, and what follows it; both signs for micro are read (U+00B5 and U+03BC).
fn unit(text: &str) -> Option<(u128, &str)> {
    const UNITS: [(&str, u128); 10] = [
        ("ms", 1_000_000),
        ("s", SECOND),
        ("m", MINUTE),
        ("h", HOUR),
        ("d", DAY),
        ("w", WEEK),
        ("us", 1_000),
        ("\u{b5}s", 1_000),
        ("\u{3bc}s", 1_000),
        ("ns", 1),
    ];
    among(&UNITS, text)
}

fn iso_date(text: &str) -> Option<(u128, &str)> {
    among(&[("W", WEEK), ("D", DAY)], text)
}

fn iso_time(text: &str) -> Option<(u128, &str)> {
    among(&[("H", HOUR), ("M", MINUTE), ("S", SECOND)], text)
}

fn among<'a>(units: &[(&str, u128)], text: &'a str) -> Option<(u128, &'a str)> {
    units
        .iter()
        .find_map(|(unit, nanoseconds)| Some((*nanoseconds, text.strip_prefix(unit)?)))
}

/// A Kubernetes quantity in base units: a number with a decimal suffix, a binary suffix or an exponent.
///
/// Source: Kubernetes API, "Quantity": `n u m k M G T P E`, `Ki Mi Gi Ti Pi Ei`, `e3`, `E3`.
pub(super) fn quantity(text: &str) -> Option<f64> {
    if let Some(word) = word(text) {
        return Some(word);
    }
    let end = text
        .find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-'))
        .unwrap_or(text.len());
    let (mantissa, suffix) = text.split_at(end);
    let power = |exponent: i32| format!("{mantissa}e{exponent}").parse().ok();
    match suffix {
        "" => number(mantissa),
        "n" => power(-9),
        "u" => power(-6),
        "m" => power(-3),
        "k" => power(3),
        "M" => power(6),
        "G" => power(9),
        "T" => power(12),
        "P" => power(15),
        "E" => power(18),
        _ => match binary(suffix) {
            Some(factor) => Some(number(mantissa)? * factor),
            None if suffix.starts_with(['e', 'E']) => number(text),
            None => None,
        },
    }
}

/// The factor of a binary suffix.
fn binary(suffix: &str) -> Option<f64> {
    ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
        .iter()
        .zip(1..)
        .find_map(|(known, power)| (*known == suffix).then(|| 1024_f64.powi(power)))
}

/// `NaN` and the words for infinity, in any case and with an optional sign.
fn word(text: &str) -> Option<f64> {
    let (_, unsigned) = sign(text);
    if unsigned.starts_with(['n', 'N', 'i', 'I']) {
        number(text)
    } else {
        None
    }
}

/// Whether the text begins with a minus, and the text behind an optional sign.
fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

#[cfg(test)]
mod tests;
