//! A disregard: a client asks for something, and does not answer the response that is on its way to it.
//!
//! Most often the two have crossed, and the answer follows. A client that has dropped the response never answers.

use std::time::Duration;

/// After so many in a row the wait doubles no more.
const MAX_DOUBLINGS: u32 = 6;

/// Whether the client asks for something and does not answer the response that is on its way to it.
#[derive(Debug, Default)]
pub(super) struct Disregard {
    noted: bool,
    /// Since when, by the caller's clock, which is read when a response could go.
    since: Option<Duration>,
    /// How many responses in a row were given up.
    times: u32,
    /// The client knows nothing of any response.
    anew: bool,
}

impl Disregard {
    /// The client asks for something; `anew`, and as if it had seen no response at all.
    pub(super) fn note(&mut self, anew: bool) {
        self.noted = true;
        self.anew |= anew;
    }

    pub(super) fn is_noted(&self) -> bool {
        self.noted
    }

    /// The client has answered.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Whether the answer is waited for no longer.
    pub(super) fn is_over(&mut self, now: Duration, patience: Duration) -> bool {
        if !self.noted {
            return false;
        }
        let since = *self.since.get_or_insert(now);
        now >= since + self.wait(patience)
    }

    /// Until when the answer is waited for.
    pub(super) fn until(&self, patience: Duration) -> Option<Duration> {
        self.since.map(|since| since + self.wait(patience))
    }

    /// The response is given up; says whether the client knows of no other either.
    pub(super) fn give_up(&mut self) -> bool {
        let anew = self.anew;
        *self = Self {
            times: self.times + 1,
            ..Self::default()
        };
        anew
    }

    fn wait(&self, patience: Duration) -> Duration {
        patience * 2_u32.pow(self.times.min(MAX_DOUBLINGS))
    }
}
