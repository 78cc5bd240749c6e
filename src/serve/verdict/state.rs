//! The state of a gate, the verdict in one word, and circuits counted by it.

/// What a gate can be. Ordered by how much it refuses, so that the AND of several is the
/// greatest: Open refuses everything and may roll back, HalfOpen refuses everything,
/// Unknown only holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GateState {
    /// Passes.
    Closed,
    /// There is no evidence to pass on, nor any to fail on.
    Unknown,
    /// Recovering: nothing new is let in, and nothing is rolled back.
    HalfOpen,
    /// Tripped.
    Open,
}

/// The verdict in one word, in the sense of Argo Rollouts: unknown is inconclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VerdictName {
    /// Go on.
    Pass,
    /// Open, or tripped since the moment asked about.
    Fail,
    /// Hold: neither go on nor roll back.
    Unknown,
}

/// Circuits by what they enforce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub total: usize,
    /// Those that are Open.
    pub open: usize,
    /// Those that are `HalfOpen`.
    pub half_open: usize,
    /// Those that are Unknown.
    pub unknown: usize,
}

impl GateState {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Closed, Self::Unknown, Self::HalfOpen, Self::Open];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "Closed",
            Self::Unknown => "Unknown",
            Self::HalfOpen => "HalfOpen",
            Self::Open => "Open",
        }
    }
}

impl VerdictName {
    /// The word, as Argo's conditions compare it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
        }
    }
}

impl Counts {
    pub(super) fn add(&mut self, state: GateState) {
        self.total += 1;
        match state {
            GateState::Closed => {}
            GateState::Unknown => self.unknown += 1,
            GateState::HalfOpen => self.half_open += 1,
            GateState::Open => self.open += 1,
        }
    }

    /// Those that are in this state.
    #[must_use]
    pub const fn of(&self, state: GateState) -> usize {
        match state {
            GateState::Closed => self.total - self.open - self.half_open - self.unknown,
            GateState::Unknown => self.unknown,
            GateState::HalfOpen => self.half_open,
            GateState::Open => self.open,
        }
    }
}
