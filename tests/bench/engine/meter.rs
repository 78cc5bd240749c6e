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
    // What reallocation adds is in both already.
    let stats = allocated();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Resident memory of this process, in bytes.
pub(crate) fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = statm.split(' ').nth(1).expect("the second field");
    pages.parse::<usize>().expect("pages") * 4_096
}

/// Time that this thread has had a core, which other processes don't stretch. It is kept up to
/// date with every tick of the kernel, a few milliseconds.
pub(crate) fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = stat.split(' ').next().expect("the first field");
    Duration::from_nanos(nanos.parse().expect("nanoseconds"))
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
