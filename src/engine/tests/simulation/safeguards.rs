//! Safeguards: what the product does against loss and repetition outside the engine, each of which can be left out, so
//! that the simulation shows that it would be missed.

#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is there or is left out on its own"
)]
pub(super) struct Safeguards {
    /// A new leader repeats what happened lately.
    pub(super) repeats: bool,
    /// What a trip sheds is published once a restart would shed it too.
    pub(super) records: bool,
    /// A status replaces the version of its object that its writer knows, and no other.
    pub(super) versions: bool,
    /// Whoever has not renewed its lease in time neither decides nor writes, even before it has heard of that.
    pub(super) tenure: bool,
    /// Whoever takes the lease first reads the statuses that the leader before wrote.
    pub(super) reads: bool,
    /// Where a clock is off by more than clocks that are kept, the API server's time is used.
    pub(super) time: bool,
}

impl Safeguards {
    pub(super) const ALL: Self = Self {
        repeats: true,
        records: true,
        versions: true,
        tenure: true,
        reads: true,
        time: true,
    };
}
