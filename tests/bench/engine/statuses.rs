//! Statuses: the raw JSON that operators write, of ten conditions, legal, breaching or illegal.

use std::fmt::Write as _;

/// The first moment, in milliseconds since the Unix epoch.
pub(crate) const T0: i64 = 1_800_000_000_000;

/// What an update is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Within the contract and below every threshold.
    Good,
    /// Within the contract, and the latency is above its threshold.
    Breaching,
    /// Breaks the contract: a value out of range, or of the wrong type.
    Illegal,
    /// Breaks the contract by undeclared keys, a hundred of them, never the same.
    Flood,
}

/// A source of numbers that is the same in every run (splitmix64, Steele, Lea, Flood 2014).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a limit.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).expect("below a usize")
    }

    /// Whether something that happens in so many of a thousand cases happens.
    pub(crate) fn permille(&mut self, share: usize) -> bool {
        self.below(1_000) < share
    }
}

/// A status whose every condition is another observation than that of any other `turn`, written
/// at a moment. It has the length that operators' statuses have, about 600 bytes.
pub(crate) fn status(sort: Sort, turn: usize, wall: i64) -> String {
    let at = time(wall);
    let n = turn % 1_000_000;
    let latency = if sort == Sort::Breaching {
        900_000 + n
    } else {
        100_000 + n % 100_000
    };
    let rate = if sort == Sort::Illegal && n.is_multiple_of(2) {
        "17.5".to_owned()
    } else {
        format!("0.0{n:06}")
    };
    let queue = if sort == Sort::Illegal && !n.is_multiple_of(2) {
        "\"deep\"".to_owned()
    } else {
        n.to_string()
    };
    let mut text = format!(
        concat!(
            "{{\"observedGeneration\":3,\"conditions\":{{",
            "\"network-latency\":\"{latency}us\",\"error-rate\":{rate},\"queue-depth\":{queue},",
            "\"cpu-load\":\"{load}.{n:06}%\",\"build\":\"release-{n}\",",
            "\"disk-latency\":{{\"value\":\"12ms\",\"observedAt\":\"{at}\"}},",
            "\"memory-free\":{{\"value\":\"512Mi\",\"observedAt\":\"{at}\"}},",
            "\"saturation\":{{\"value\":0.25,\"observedAt\":\"{at}\"}},",
            "\"ready\":{{\"value\":true,\"observedAt\":\"{at}\"}},",
            "\"tier\":{{\"value\":\"gold\",\"observedAt\":\"{at}\"}}"
        ),
        latency = latency,
        rate = rate,
        queue = queue,
        load = n % 90,
        n = n,
        at = at
    );
    if sort == Sort::Flood {
        for junk in 0..100 {
            write!(text, ",\"junk-{turn:08x}-{junk}\":{turn}").expect("writing into text");
        }
    }
    text.push_str("}}");
    text
}

/// RFC 3339, within the day that begins at [`T0`], which is 2027-01-15T08:00:00Z.
fn time(wall: i64) -> String {
    let millis = wall - T0;
    let (second, millis) = (millis / 1_000, millis % 1_000);
    let (hour, minute, second) = (8 + second / 3_600, second / 60 % 60, second % 60);
    format!("2027-01-15T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}
