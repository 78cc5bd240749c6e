//! Dice: the random choices of a run, from a seed that is told, so that it can be thrown again.

use std::{
    env,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    time::Duration,
};

use anyhow::{Context as _, Result};

/// A seeded sequence of choices (`SplitMix64`).
#[derive(Debug)]
pub(super) struct Dice {
    pub(super) seed: u64,
    state: u64,
}

impl Dice {
    /// From `FUSEGATE_SEED`, or a new seed.
    pub(super) fn new() -> Result<Self> {
        let seed = match env::var("FUSEGATE_SEED") {
            Ok(text) => text.parse().context("FUSEGATE_SEED is no number")?,
            Err(_) => RandomState::new().build_hasher().finish(),
        };
        Ok(Self { seed, state: seed })
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// True so often of a hundred times.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    /// One of these, of which there must be one.
    pub(super) fn one_of<T: Copy>(&mut self, choices: &[T]) -> Result<T> {
        let count = u64::try_from(choices.len())?;
        let at = self
            .next()
            .checked_rem(count)
            .context("nothing to choose from")?;
        Ok(choices[usize::try_from(at)?])
    }

    /// A time from none to this, to the microsecond.
    pub(super) fn within(&mut self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX - 1);
        Duration::from_micros(self.next() % (most + 1))
    }
}

/// A number from the environment, or this.
pub(super) fn number(name: &str, otherwise: usize) -> Result<usize> {
    match env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} is no number")),
        Err(_) => Ok(otherwise),
    }
}
