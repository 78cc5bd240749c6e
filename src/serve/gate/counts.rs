//! The counts: how many circuits a question was about, and what they are, as a document.

use serde::Serialize;

use crate::serve::verdict::Counts;

/// Circuits by what a gate takes them for.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CountsDocument {
    total: usize,
    open: usize,
    half_open: usize,
    unknown: usize,
}

impl CountsDocument {
    pub(super) fn new(counts: Counts) -> Self {
        Self {
            total: counts.total,
            open: counts.open,
            half_open: counts.half_open,
            unknown: counts.unknown,
        }
    }
}
