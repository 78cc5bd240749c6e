//! A time in text, as controllers write it.
//!
//! RFC 3339, ISO 8601 with an offset without a colon (`+0000`), and Go's own `2026-11-22 14:05:28.5 +0000 UTC`.
//! Empty text and Go's zero time, the year 1, are what is written where there is no time.

use jiff::Timestamp;

/// What a text says of a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// A moment.
    Moment(Timestamp),
    /// That there is none.
    Absent,
    /// Nothing that can be read.
    Unreadable,
}

/// Reads texts, and remembers the last one: a reporter often writes one time into all of its entries.
#[derive(Debug, Default)]
pub(super) struct Clock {
    text: [u8; LONGEST],
    length: usize,
    /// What the text said, once there was one.
    last: Option<Time>,
}

/// The most bytes of a text that is remembered: RFC 3339 to the nanosecond, in UTC, has 30.
const LONGEST: usize = 32;

impl Clock {
    /// See [`read`].
    pub(super) fn read(&mut self, text: &str) -> Time {
        let known = self.text.get(..self.length) == Some(text.as_bytes());
        if let Some(last) = self.last.filter(|_| known) {
            return last;
        }
        let time = read(text);
        if let Some(slot) = self.text.get_mut(..text.len()) {
            slot.copy_from_slice(text.as_bytes());
            self.length = text.len();
            self.last = Some(time);
        }
        time
    }
}

/// Reads a text.
pub(super) fn read(text: &str) -> Time {
    if text.is_empty() || text.starts_with("0001-01-01") {
        return Time::Absent;
    }
    match text.parse().or_else(|error| go(text).ok_or(error)) {
        Ok(moment) => Time::Moment(moment),
        Err(_) => Time::Unreadable,
    }
}

/// Date, time, offset and zone with spaces between them, as Go's `Time.String` writes.
fn go(text: &str) -> Option<Timestamp> {
    let mut parts = text.split(' ');
    let (date, time, offset) = (parts.next()?, parts.next()?, parts.next()?);
    format!("{date}T{time}{offset}").parse().ok()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::rfc_3339("2026-11-22T14:05:28Z")]
    #[case::fraction("2026-11-22T14:05:28.000000000Z")]
    #[case::offset("2026-11-22T15:05:28+01:00")]
    #[case::strimzi("2026-11-22T14:05:28+0000")]
    #[case::lowercase("2026-11-22t14:05:28z")]
    #[case::space("2026-11-22 14:05:28Z")]
    #[case::go("2026-11-22 14:05:28 +0000 UTC")]
    #[case::go_fraction("2026-11-22 15:05:28.000 +0100 CET")]
    #[case::go_monotonic("2026-11-22 14:05:28 +0000 UTC m=+0.01")]
    fn the_forms_in_use_are_read(#[case] text: &str) {
        let moment = "2026-11-22T14:05:28Z".parse().unwrap();
        assert_eq!(read(text), Time::Moment(moment));
    }

    #[test]
    fn a_clock_says_of_every_text_what_it_says_by_itself() {
        let long = format!("2026-11-22T14:05:28.{}Z", "1".repeat(40));
        let one = "2026-11-22T14:05:28Z";
        let mut clock = Clock::default();
        for text in [
            "",
            one,
            one,
            "2026-11-22T14:05:29Z",
            &long,
            "soon",
            "",
            one,
            &long,
        ] {
            assert_eq!(clock.read(text), read(text), "{text}");
        }
    }

    #[rstest]
    #[case("")]
    #[case("0001-01-01T00:00:00Z")]
    #[case("0001-01-01 00:00:00 +0000 UTC")]
    fn what_stands_for_no_time_is_absent(#[case] text: &str) {
        assert_eq!(read(text), Time::Absent);
    }

    #[rstest]
    #[case("yesterday")]
    #[case("2026-11-22")]
    #[case("2026-11-22T14:05:28")]
    #[case("2026-13-45T14:05:28Z")]
    #[case("2026-11-22 14:05:28")]
    fn the_rest_is_unreadable(#[case] text: &str) {
        assert_eq!(read(text), Time::Unreadable);
    }
}
