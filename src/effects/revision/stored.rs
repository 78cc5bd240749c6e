//! What pruning needs to know of stored revisions, and which of them it deletes.

/// What pruning needs to know of a stored revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StoredInfo {
    pub(super) number: u64,
    pub(super) hash: String,
    /// Unix milliseconds when it was last live.
    pub(super) seen_at: i64,
    pub(super) bad: bool,
}

/// The number of a new schema: the wanted one, or the next after all stored ones. Numbers only rise,
/// so that none is used for two schemas.
pub(super) fn free_number(kept: &[StoredInfo], wanted: u64) -> u64 {
    let highest = kept.iter().map(|kept| kept.number).max().unwrap_or(0);
    wanted.max(highest.saturating_add(1))
}

/// The numbers to delete so that `limit` remain, those longest out of use first.
/// Never the live one, and never the newest other one that is not marked bad: it is the rollback target.
pub(super) fn surplus(mut kept: Vec<StoredInfo>, limit: usize, live: &str) -> Vec<u64> {
    kept.sort_by_key(|kept| (kept.seen_at, kept.number));
    let target = kept
        .iter()
        .rfind(|kept| kept.hash != live && !kept.bad)
        .map(|kept| kept.number);
    let excess = kept.len().saturating_sub(limit);
    kept.iter()
        .filter(|kept| kept.hash != live && Some(kept.number) != target)
        .take(excess)
        .map(|kept| kept.number)
        .collect()
}
