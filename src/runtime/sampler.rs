//! A sampler: which writes are traced, and under which trace id.
//!
//! The id is a hash of the write, and whether it is traced follows from the id: so all replicas trace the same writes
//! under the same ids, and need not tell each other.
//! Source: W3C, "Trace Context Level 2" (random trace ids); OpenTelemetry, "Consistent probability sampling".

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use twox_hash::XxHash3_128;

use crate::runtime::clock::Clock;

/// How many of a trace id's bits decide whether it is sampled; all that the standard calls random.
const RANDOM_BITS: u32 = 56;

/// The id of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(pub u128);

/// The share of writes that are traced, from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio(f64);

/// A text that is not a share.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no share of all writes; write a number from 0 to 1, such as 0.01")]
pub struct NoRatio(String);

/// Chooses.
#[derive(Clone, Copy, Debug)]
pub struct Sampler {
    clock: Clock,
    /// Ids whose random bits are below this are sampled.
    below: u64,
}

/// A write that is traced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// Its trace.
    pub trace: TraceId,
    /// When it arrived, by [`Clock::elapsed`].
    pub arrived: Duration,
}

impl Sampler {
    /// One for this share of all writes.
    #[must_use]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a ratio is from 0 to 1, and 56 bits of it are more than anybody writes"
    )]
    pub fn new(Ratio(ratio): Ratio, clock: Clock) -> Self {
        let all = 1_u64 << RANDOM_BITS;
        Self {
            clock,
            below: (ratio * all as f64) as u64,
        }
    }

    /// Whether a write is traced: that by which an object came to have this resource version.
    #[must_use]
    pub fn sample(&self, uid: &str, resource_version: &str) -> Option<Sampled> {
        let trace = TraceId::of(uid, resource_version);
        (trace.random() < self.below).then(|| Sampled {
            trace,
            arrived: self.clock.elapsed(),
        })
    }
}

impl TraceId {
    /// That of a write.
    #[must_use]
    pub fn of(uid: &str, resource_version: &str) -> Self {
        let write = [uid.as_bytes(), b"\0", resource_version.as_bytes()].concat();
        // No id is zero.
        Self(XxHash3_128::oneshot(&write).max(1))
    }

    fn random(self) -> u64 {
        let bytes = self.0.to_be_bytes();
        bytes
            .iter()
            .skip(9)
            .fold(0, |random, byte| random << 8 | u64::from(*byte))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Ratio {
    type Err = NoRatio;

    fn from_str(text: &str) -> Result<Self, NoRatio> {
        let ratio: Option<f64> = text.parse().ok();
        let ratio = ratio.filter(|ratio| (0.0..=1.0).contains(ratio));
        ratio.map(Self).ok_or_else(|| NoRatio(text.to_owned()))
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// How many of ten thousand writes are sampled.
    fn sampled(ratio: &str) -> usize {
        let sampler = Sampler::new(ratio.parse().unwrap(), Clock::start());
        let writes = 0..10_000;
        let traced = writes.filter(|write| sampler.sample("u1", &write.to_string()).is_some());
        traced.count()
    }

    #[test]
    fn as_many_writes_are_traced_as_was_asked_for() {
        assert_eq!(sampled("0"), 0);
        assert_eq!(sampled("1"), 10_000);
        let some = sampled("0.01");
        assert!((60..=140).contains(&some), "{some}");
    }

    #[test]
    fn a_write_has_one_id_wherever_it_is_seen_and_others_have_others() {
        let id = TraceId::of("u1", "42");
        assert_eq!(id, TraceId::of("u1", "42"));
        assert_ne!(id, TraceId::of("u1", "43"));
        assert_ne!(TraceId::of("u1", "12"), TraceId::of("u11", "2"));
        assert_eq!(id.to_string().len(), 32);
    }

    #[rstest]
    #[case("1.5")]
    #[case("-0.1")]
    #[case("NaN")]
    #[case("1 %")]
    fn what_is_no_share_is_refused_with_what_to_write(#[case] text: &str) {
        let refused = text.parse::<Ratio>().unwrap_err().to_string();
        assert!(refused.contains(text) && refused.contains("0.01"));
    }
}
