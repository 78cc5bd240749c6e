//! The cost: the processor time of everything that takes part.

use std::process;
use std::time::Duration;

use anyhow::Result;

use crate::harness::support::fusegate::Fusegate;
use crate::harness::support::servers::apiserver::ApiServer;
use crate::harness::support::servers::process::processor;

/// Everything that takes part.
pub(crate) struct Machine {
    pub(crate) api: ApiServer,
    pub(crate) fusegate: Fusegate,
}

/// The processor time of the API server, etcd, fusegate and the writers.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cost([Duration; 4]);

impl Machine {
    /// What it has cost up to now.
    pub(crate) fn cost(&self) -> Result<Cost> {
        let [server, etcd] = self.api.processor()?;
        let fusegate = processor(self.fusegate.id())?;
        Ok(Cost([server, etcd, fusegate, processor(process::id())?]))
    }
}

impl Cost {
    /// What came since.
    pub(crate) fn since(self, before: Self) -> Self {
        let mut spent = self.0;
        for (now, before) in spent.iter_mut().zip(before.0) {
            *now = now.saturating_sub(before);
        }
        Self(spent)
    }

    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        let mut spent = self.0;
        for (one, other) in spent.iter_mut().zip(other.0) {
            *one += other;
        }
        Self(spent)
    }

    /// Microseconds for each of so many writes.
    pub(crate) fn micros_each(self, writes: f64) -> [f64; 4] {
        self.0.map(|spent| spent.as_secs_f64() * 1e6 / writes)
    }
}
