//! A footprint: the memory and the processor time that a process has taken, as Linux counts them.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::Instant;

use crate::harness::support::servers::process::processor;
use crate::harness::support::wait::pace;

/// How long memory must not fall before it counts as settled: the allocator gives back for ten seconds.
const QUIET: Duration = Duration::from_secs(12);

/// The longest that is waited for that.
const PATIENCE: Duration = Duration::from_secs(90);

/// What falls by less than this has not fallen.
const NOISE: u64 = 1 << 20;

/// One process, watched from outside.
pub(crate) struct Footprint {
    id: u32,
}

impl Footprint {
    pub(crate) fn of(id: u32) -> Self {
        Self { id }
    }

    /// Bytes that are resident now.
    pub(crate) fn resident(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most bytes that were resident since the start, or since [`Footprint::forget_peak`].
    pub(crate) fn peak(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    /// Begins a new peak (proc(5), `clear_refs`).
    pub(crate) fn forget_peak(&self) -> Result<()> {
        Ok(fs::write(format!("/proc/{}/clear_refs", self.id), "5")?)
    }

    /// Seconds of processor time, user and system.
    pub(crate) fn processor(&self) -> Result<f64> {
        Ok(processor(self.id)?.as_secs_f64())
    }

    /// What is resident once the allocator has given back what it will.
    pub(crate) async fn settled(&self) -> Result<u64> {
        let began = Instant::now();
        let (mut least, mut since) = (self.resident()?, began);
        while since.elapsed() < QUIET && began.elapsed() < PATIENCE {
            pace(Duration::from_millis(500)).await;
            let now = self.resident()?;
            if now + NOISE < least {
                (least, since) = (now, Instant::now());
            }
        }
        self.resident()
    }

    fn status(&self, field: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id))?;
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kib: u64 = kib.with_context(|| format!("no {field}"))?.parse()?;
        Ok(kib * 1_024)
    }
}
