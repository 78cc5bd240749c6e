//! An input: what of an object an expression reads.

/// One path that is read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Input {
    /// The variable it becomes.
    pub(super) name: String,
    /// Whether all that is asked is whether anything stands there.
    pub(super) presence: bool,
}
