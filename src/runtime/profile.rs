//! Profiles of this process, in the format that `go tool pprof` reads: where CPU time goes, and what holds memory.

use std::time::Duration;

use jemalloc_pprof::{JemallocProfCtl, Mapping, PROF_CTL, StackProfile, WeightedStack};
use mappings::MAPPINGS;
use pprof::{ProfilerGuardBuilder, UnresolvedReport};
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::sleep;

/// How often a second of CPU time is looked at: often enough for a profile of some seconds, and no even number, so
/// that it falls in step with no timer.
const HERTZ: i32 = 99;

/// Where no stack is taken: the unwinder and what it calls are not made to be interrupted by themselves.
const NOT_WITHIN: [&str; 4] = ["libc.so", "libgcc", "pthread", "vdso"];

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum NoProfile {
    /// The allocator was built, or started, without.
    #[error(
        "the allocator of this program does not tell what holds memory; start it with _RJEM_MALLOC_CONF=prof:true,prof_active:false"
    )]
    Untold,
    /// The allocator can't begin.
    #[error("having the allocator note what holds memory: {0}")]
    Begin(String),
    /// There is one of its kind under way.
    #[error("another profile is being taken; try again when it has ended")]
    Busy,
    /// It can't be taken.
    #[error(
        "taking the profile: {0}; it needs a folder for temporary files that can be written (TMPDIR)"
    )]
    Take(String),
    /// A bug.
    #[error("writing the profile")]
    Write(#[from] JoinError),
}

/// Has the allocator note from now on what holds memory: of about each 512 KiB that are allocated, one stack.
///
/// # Errors
///
/// When it can't.
pub async fn note_memory() -> Result<(), NoProfile> {
    let heap = PROF_CTL.as_ref().ok_or(NoProfile::Untold)?;
    let begun = heap.lock().await.activate();
    begun.map_err(|failure| NoProfile::Begin(failure.to_string()))
}

/// What holds memory that was allocated since it is noted.
///
/// # Errors
///
/// When it is not noted, or can't be written to a file first.
pub async fn heap() -> Result<Vec<u8>, NoProfile> {
    let heap = PROF_CTL.as_ref().ok_or(NoProfile::Untold)?;
    let mut heap = heap.clone().lock_owned().await;
    let taken = spawn_blocking(move || JemallocProfCtl::dump_pprof(&mut heap)).await?;
    taken.map_err(|failure| NoProfile::Take(format!("{failure:#}")))
}

/// Where CPU time goes, from now on for so long.
///
/// # Errors
///
/// When another one is being taken, or the system lets us take none.
pub async fn cpu(span: Duration) -> Result<Vec<u8>, NoProfile> {
    let profiler = ProfilerGuardBuilder::default()
        .frequency(HERTZ)
        .blocklist(&NOT_WITHIN)
        .build();
    let profiler = profiler.map_err(|failure| match failure {
        pprof::Error::Running => NoProfile::Busy,
        other => NoProfile::Take(other.to_string()),
    })?;
    sleep(span).await;
    let report = profiler.report().build_unresolved();
    drop(profiler);
    let report = report.map_err(|failure| NoProfile::Take(failure.to_string()))?;
    Ok(spawn_blocking(move || encode(&report)).await?)
}

fn encode(report: &UnresolvedReport) -> Vec<u8> {
    let mappings = MAPPINGS.clone().unwrap_or_default();
    // One for each of its segments.
    let libc: Vec<Mapping> = mappings
        .iter()
        .filter(|mapping| is_libc(mapping))
        .cloned()
        .collect();
    let mut profile = StackProfile::default();
    for (stack, count) in &report.data {
        let inner_first = stack.frames.iter().map(|frame| frame.ip() as usize);
        let mut addrs: Vec<usize> = inner_first.filter(|addr| *addr > 0).collect();
        // The handler of the signal comes first, and libc, from which it was called.
        let within = |addr: &usize| {
            let mut segments = libc.iter();
            segments.any(|of| (of.memory_start..of.memory_end).contains(addr))
        };
        if let Some(called) = addrs.iter().position(within) {
            addrs.drain(..=called);
        }
        addrs.reverse();
        #[allow(clippy::cast_precision_loss, reason = "nanoseconds of minutes")]
        let weight = *count as f64 * 1e9 / f64::from(HERTZ);
        profile.push_stack(WeightedStack { addrs, weight }, None);
    }
    for mapping in mappings {
        profile.push_mapping(mapping);
    }
    profile.to_pprof(("cpu", "nanoseconds"), ("cpu", "nanoseconds"), None)
}

fn is_libc(mapping: &Mapping) -> bool {
    let name = mapping.pathname.file_name();
    name.is_some_and(|name| name.to_string_lossy().starts_with("libc.so"))
}
