//! Pressure: how near memory is to its limit, decided from figures and time alone.

use crate::breaker::time::{Mono, Span};

/// How much must be left, or memory is near its limit.
const NEAR: Reserve = Reserve {
    percent: 20,
    least: 48 << 20,
    most: 40,
};

/// How much must be left, or memory is short. What waits in queues, for the recording and to be freed has been seen to
/// come to 28 MiB in a flood, and comes and goes within a second: it must fit, whatever the limit is.
const SHORT: Reserve = Reserve {
    percent: 10,
    least: 32 << 20,
    most: 25,
};

/// How much more than that must be left, in percent of the limit, until it no longer is.
const MORE: u64 = 5;

/// For how long it must have been lower before it is taken for lower: what was freed may be needed again at once.
const LASTING: Span = Span::from_secs(10);

/// How near memory is to its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// There is enough of it.
    #[default]
    Enough,
    /// What can be made anew is let go, and people are told.
    Near,
    /// Nothing new is taken.
    Short,
}

/// The memory as it was last seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// How near it is to its limit.
    pub level: Level,
    /// The bytes that are needed.
    pub used: u64,
    /// The most there may be; 0 where nothing limits them.
    pub limit: u64,
}

/// Steps from level to level.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pressure {
    level: Level,
    lower_since: Option<Mono>,
}

/// What must be left of a limit.
#[derive(Clone, Copy, Debug)]
struct Reserve {
    /// This share of it.
    percent: u64,
    /// And so many bytes,
    least: u64,
    /// but of a small limit no more than this share.
    most: u64,
}

impl Reserve {
    /// The bytes from which on less is left.
    fn mark(self, limit: u64) -> u64 {
        let least = self.least.min(percent(limit, self.most));
        limit - least.max(percent(limit, self.percent))
    }
}

impl Memory {
    /// From how many bytes on it is short; 0 where nothing limits it.
    #[must_use]
    pub fn short_from(&self) -> u64 {
        SHORT.mark(self.limit)
    }
}

impl Pressure {
    /// The level after these figures: up at once, down step by step and only for good.
    pub fn step(&mut self, now: Mono, used: u64, limit: u64) -> Level {
        let over = |reserve: Reserve, holds: Level| {
            let mark = reserve.mark(limit);
            let more = if self.level >= holds { MORE } else { 0 };
            limit > 0 && used >= mark - percent(limit, more)
        };
        let level = if over(SHORT, Level::Short) {
            Level::Short
        } else if over(NEAR, Level::Near) {
            Level::Near
        } else {
            Level::Enough
        };
        let lasts = |since: &mut Option<Mono>| now.since(*since.get_or_insert(now)) >= LASTING;
        if level >= self.level || lasts(&mut self.lower_since) {
            self.level = level;
            self.lower_since = None;
        }
        self.level
    }
}

fn percent(of: u64, percent: u64) -> u64 {
    of / 100 * percent + of % 100 * percent / 100
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    /// The level after each of these shares of the limit, a second apart.
    fn levels(shares: &[u64]) -> Vec<Level> {
        let mut pressure = Pressure::default();
        let steps = shares.iter().enumerate().map(|(second, share)| {
            let now = Mono(1_000 * second as u64);
            // Of a limit that is large enough for shares alone to count.
            pressure.step(now, share << 30, 100 << 30)
        });
        steps.collect()
    }

    #[test]
    fn it_rises_at_once() {
        use Level::{Enough, Near, Short};
        assert_eq!(
            levels(&[0, 79, 80, 89, 90]),
            [Enough, Enough, Near, Near, Short]
        );
        assert_eq!(levels(&[0, 99]), [Enough, Short]);
    }

    #[rstest]
    #[case::large(1_000, 800, 900)]
    #[case::of_a_gibibyte(400, 320, 360)]
    #[case::small(128, 80, 96)]
    #[case::tiny(20, 12, 15)]
    fn of_a_small_limit_more_must_be_left(
        #[case] limit: u64,
        #[case] near: u64,
        #[case] short: u64,
    ) {
        let level = |used: u64| Pressure::default().step(Mono(0), used << 20, limit << 20);
        assert_eq!(level(near - 1), Level::Enough);
        assert_eq!(level(near), Level::Near);
        assert_eq!(level(short - 1), Level::Near);
        assert_eq!(level(short), Level::Short);
    }

    #[rstest]
    #[case::not_while_it_is_above_the_lower_mark(90, 85, 30, Level::Short)]
    #[case::not_at_once(90, 84, 9, Level::Short)]
    #[case::by_one_level(90, 84, 11, Level::Near)]
    #[case::by_two_levels(90, 10, 11, Level::Enough)]
    #[case::from_near(80, 75, 30, Level::Near)]
    #[case::to_enough(80, 74, 11, Level::Enough)]
    fn it_falls_for_good(
        #[case] high: u64,
        #[case] low: u64,
        #[case] seconds: usize,
        #[case] expected: Level,
    ) {
        let mut shares = vec![high];
        shares.resize(seconds + 1, low);
        assert_eq!(levels(&shares).last(), Some(&expected));
    }

    #[test]
    fn a_moment_above_the_mark_begins_the_wait_anew() {
        let mut shares = vec![90, 10, 10, 10, 10, 10, 10, 86];
        shares.resize(17, 10);
        assert_eq!(levels(&shares).last(), Some(&Level::Short));
    }

    proptest! {
        #[test]
        fn without_a_limit_there_is_enough(used: u64, seconds: u32) {
            let mut pressure = Pressure::default();
            prop_assert_eq!(pressure.step(Mono(seconds.into()), used, 0), Level::Enough);
        }

        #[test]
        fn what_is_over_a_mark_is_never_taken_for_less(shares in prop::collection::vec(0_u64..=100, 1..60)) {
            for (share, level) in shares.iter().zip(levels(&shares)) {
                let least = match share {
                    90.. => Level::Short,
                    80.. => Level::Near,
                    _ => Level::Enough,
                };
                prop_assert!(level >= least);
            }
        }
    }
}
