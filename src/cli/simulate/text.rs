//! Text: how moments, lengths of time and numbers are written.

use std::fmt::Write as _;

use fusegate_crds::Time;

/// A moment; its milliseconds only where it has some.
pub(super) fn moment(at: i64) -> String {
    let text = Time::from_millis(at).map_or_else(|| format!("{at} ms"), |time| time.to_string());
    text.replace(".000Z", "Z")
}

/// A length of time in its two largest units.
pub(super) fn length(millis: i64) -> String {
    const UNITS: [(&str, i64); 5] = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    let mut left = millis;
    let mut text = String::new();
    let mut parts = 0;
    for (unit, size) in UNITS {
        let count = left / size;
        if count > 0 && parts < 2 {
            let _ = write!(text, "{count}{unit}");
            left -= count * size;
            parts += 1;
        } else if parts > 0 {
            break;
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

/// A number without the noise of its last digits.
pub(super) fn number(number: f64) -> String {
    let digits = format!("{number:.9}");
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    if digits == "-0" {
        "0".to_owned()
    } else {
        digits.to_owned()
    }
}

/// A number and a noun.
pub(super) fn counted(number: u64, noun: &str) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let plural = if number == 1 { "" } else { "s" };
    format!("{grouped} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(0, "0s")]
    #[case(250, "250ms")]
    #[case(61_500, "1m1s")]
    #[case(3_600_000, "1h")]
    #[case(3_600_500, "1h")]
    #[case(183_600_000, "2d3h")]
    fn a_length_has_its_two_largest_units(#[case] millis: i64, #[case] expected: &str) {
        assert_eq!(length(millis), expected);
    }

    #[test]
    fn numbers_are_written_as_people_write_them() {
        assert_eq!(number(0.1 + 0.2), "0.3");
        assert_eq!(number(250.0), "250");
        assert_eq!(number(-0.000_000_000_1), "0");
        assert_eq!(counted(525_600, "observation"), "525,600 observations");
        assert_eq!(counted(1, "trip"), "1 trip");
        assert_eq!(moment(1_800_000_000_000), "2027-01-15T08:00:00Z");
        assert_eq!(moment(1_800_000_000_010), "2027-01-15T08:00:00.010Z");
    }
}
