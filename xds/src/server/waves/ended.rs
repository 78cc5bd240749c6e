//! The end of a wave, as its publisher is told.

use crate::wave::{Cause, Resolve};

/// How a wave ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whether the change went to all, or was taken back.
    pub resolve: Resolve,
    /// Why.
    pub cause: Cause,
    /// How many canaries it concerned.
    pub asked: usize,
    /// How many of them had taken it.
    pub taken: usize,
    /// The first few refusals: the node's id, and why, in its own words.
    pub refusals: Vec<(String, String)>,
}

/// The conductor is gone, so that nothing is published any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("waves are not conducted any more; run the conductor for as long as the server runs")]
pub struct NotConducted;

impl Ended {
    /// The end of an update that no canary was asked about.
    pub(super) fn untried(cause: Cause) -> Self {
        Self {
            resolve: Resolve::Proceed,
            cause,
            asked: 0,
            taken: 0,
            refusals: Vec::new(),
        }
    }
}
