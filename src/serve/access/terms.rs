//! The terms: the tokens and the pace that callers are held to.

use crate::serve::access::pace::Pace;
use crate::serve::access::tokens::SharedTokens;

/// Who may ask what, and how often; clones share it.
#[derive(Clone, Debug)]
pub struct Access {
    /// The tokens.
    pub tokens: SharedTokens,
    /// How often.
    pub pace: Pace,
}
