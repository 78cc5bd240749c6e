//! The past: what earlier trips of a circuit left behind, which most circuits have nothing of.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};

use crate::breaker::time::Mono;

/// What earlier trips left behind. One that is as by default takes no memory of its own until it is written to.
#[derive(Clone, Debug, Default)]
pub struct Past(Option<Box<Traces>>);

/// See [`Past`].
#[derive(Clone, Debug, PartialEq)]
pub struct Traces {
    /// The backoff level: raised by each trip, decaying by one per healthy interval in Closed.
    pub level: u32,
    /// From when the level's next decay is counted.
    pub level_since: Mono,
    /// When the trips inside the flap window happened, oldest first.
    pub trips: VecDeque<Mono>,
    /// Tripped too often: Open until a person acts.
    pub latched: bool,
    /// When to look again whether something outside the circuit still keeps a timer
    /// from moving it: a sibling that waits, or a leader that has not spoken.
    pub retry_at: Option<Mono>,
}

static NONE: Traces = Traces {
    level: 0,
    level_since: Mono(0),
    trips: VecDeque::new(),
    latched: false,
    retry_at: None,
};

impl PartialEq for Past {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Deref for Past {
    type Target = Traces;

    fn deref(&self) -> &Traces {
        self.0.as_deref().unwrap_or(&NONE)
    }
}

impl DerefMut for Past {
    fn deref_mut(&mut self) -> &mut Traces {
        self.0.get_or_insert_with(|| Box::new(NONE.clone()))
    }
}
