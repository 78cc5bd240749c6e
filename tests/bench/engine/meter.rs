//! The meter: allocations and live bytes of this process, its resident memory, and percentiles.

use std::time::Duration;

use stats_alloc::{Stats, StatsAlloc};
use tikv_jemallocator::Jemalloc;

/// The product's allocator, counted.
#[global_allocator]
static ALLOCATOR: StatsAlloc<Jemalloc> = StatsAlloc::new(Jemalloc);

/// What the allocator has been asked for so far.
pub(crate) fn allocated() -> Stats {
    ALLOCATOR.stats()
}

/// Bytes asked for and not given back.
pub(crate) fn live_bytes() -> usize {
    let stats = allocated();
    (stats.bytes_allocated - stats.bytes_deallocated).wrapping_add_signed(stats.bytes_reallocated)
}

/// Resident memory of this process, in bytes.
pub(crate) fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = statm.split(' ').nth(1).expect("the second field");
    pages.parse::<usize>().expect("pages") * 4_096
}

/// CPU time of this process, in the clock's ticks of a hundredth of a second.
pub(crate) fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let behind_name = stat.rsplit(')').next().expect("a name");
    let fields: Vec<u64> = behind_name
        .split(' ')
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    Duration::from_millis((fields[12] + fields[13]) * 10)
}

/// The value below which a share of sorted values lies.
pub(crate) fn percentile(sorted: &[u32], share: f64) -> Duration {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank"
    )]
    let rank = ((sorted.len() - 1) as f64 * share).ceil() as usize;
    Duration::from_nanos(sorted[rank].into())
}
