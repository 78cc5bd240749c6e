//! What a policy can't say: the rules of a contract that pass at the API server and are judged by fusegate alone.

use std::fmt;

use crate::admission::value::MOST_MATCHED;

/// A rule of a contract that its policy does not enforce, or not in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untranslatable {
    /// The value of a key is computed by an expression.
    Computed {
        /// The key.
        key: Box<str>,
    },
    /// A bound that some spellings of a value escape.
    Bounds {
        /// The key.
        key: Box<str>,
        /// Those spellings.
        spellings: &'static str,
    },
    /// Long texts of a key are not matched.
    Long {
        /// The key.
        key: Box<str>,
    },
    /// What would bring the bad schema back is too much for one expression.
    Freeze {
        /// The number of the bad revision.
        revision: u64,
    },
}

impl fmt::Display for Untranslatable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Computed { key } => write!(f, "key \"{key}\" is computed by cel and not judged"),
            Self::Bounds { key, spellings } => {
                write!(
                    f,
                    "the bounds of key \"{key}\" are not held against {spellings}"
                )
            }
            Self::Long { key } => write!(
                f,
                "texts of key \"{key}\" past {MOST_MATCHED} characters are not judged"
            ),
            Self::Freeze { revision } => write!(
                f,
                "revision {revision} differs from the live schema in too much, so that bringing it back is not denied"
            ),
        }
    }
}
