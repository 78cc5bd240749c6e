//! A violation: what a schema forbids of a value.

use crate::revision::judge::place::Place;

/// One thing that is forbidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) place: Place,
    pub(super) keyword: &'static str,
    pub(super) detail: String,
}
