//! Time as the core sees it: always a parameter, never read.
//!
//! Two clocks arrive together. [`Mono`] never jumps and drives every timer;
//! [`Wall`] is what people and other machines mean by time, and is only ever
//! compared with other people's timestamps and written down. A wall clock that
//! jumps can therefore neither open nor close a circuit.

use std::ops::Add;

/// A length of time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub u64);

/// Milliseconds on a clock that never goes back, from an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(pub i64);

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// The monotonic reading.
    pub mono: Mono,
    /// The wall reading.
    pub wall: Wall,
}

impl Span {
    /// From whole seconds; saturates.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1_000))
    }
}

impl Mono {
    /// How long ago `earlier` was; zero when it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Span {
        Span(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Span> for Mono {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl Wall {
    /// Milliseconds from `earlier` to this moment; negative when it lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Span> for Wall {
    type Output = Self;

    fn add(self, span: Span) -> Self {
        Self(self.0.saturating_add_unsigned(span.0))
    }
}

impl Now {
    /// The wall moment at which a monotonic deadline falls, for writing it down.
    #[must_use]
    pub fn wall_of(self, deadline: Mono) -> Wall {
        if deadline >= self.mono {
            self.wall + deadline.since(self.mono)
        } else {
            Wall(
                self.wall
                    .0
                    .saturating_sub_unsigned(self.mono.since(deadline).0),
            )
        }
    }

    /// The monotonic moment of a written-down wall deadline, its remaining time
    /// clamped to `[0, longest]` so that a jumped clock can stretch no wait.
    #[must_use]
    pub fn mono_of(self, deadline: Wall, longest: Span) -> Mono {
        let remaining = u64::try_from(deadline.since(self.wall)).unwrap_or(0);
        self.mono + Span(remaining.min(longest.0))
    }

    /// The monotonic moment at which something written down happened, no further
    /// back than `longest` and never ahead of now.
    #[must_use]
    pub fn mono_of_past(self, happened: Wall, longest: Span) -> Mono {
        let age = u64::try_from(self.wall.since(happened)).unwrap_or(0);
        Mono(self.mono.0.saturating_sub(age.min(longest.0)))
    }
}
