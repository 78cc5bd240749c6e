//! Names: states, overrides and causes as people read them, in CRDs, gates, audit lines and metrics alike.

use crate::breaker::circuit::{Cause, Forced, StateName};

impl StateName {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "Closed",
            Self::Open => "Open",
            Self::HalfOpen => "HalfOpen",
        }
    }
}

impl Forced {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "ForcedOpen",
            Self::Closed => "ForcedClosed",
            Self::Observe => "Observe",
        }
    }
}

impl Cause {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Breach => "Breach",
            Self::Illegal => "Illegal",
        }
    }
}
