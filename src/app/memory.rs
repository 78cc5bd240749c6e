//! The memory's keeper: looks how much is used, and tells those who let go of something when it becomes little.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::runtime::clock::Clock;
use crate::runtime::memory::Group;
use crate::runtime::memory::pressure::{Level, Memory, Pressure};
use crate::runtime::metrics::Metrics;

/// How often it looks: objects come in at some tens of megabytes a second at most, and a look takes 50 µs.
const EVERY: Duration = Duration::from_millis(250);

/// Keeps looking until shutdown; without a control group that measures memory, not at all. Waiters are woken when
/// the level changes, while its figures are always the last.
pub(super) async fn keep(
    memory: watch::Sender<Memory>,
    metrics: Metrics,
    clock: Clock,
    shutdown: CancellationToken,
) {
    let Some(group) = Group::own() else {
        return shutdown.cancelled().await;
    };
    let mut pressure = Pressure::default();
    let mut look = interval(EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shutdown.run_until_cancelled(look.tick()).await.is_some() {
        let (used, limit) = (group.needed(), group.limit());
        let (used, limit) = (used.unwrap_or_default(), limit.unwrap_or_default());
        let level = pressure.step(clock.now().mono, used, limit);
        memory.send_if_modified(|last| {
            let changed = level != last.level;
            *last = Memory { level, used, limit };
            if changed {
                tell(*last);
            }
            changed
        });
        metrics.memory_pressure.set(match level {
            Level::Enough => 0,
            Level::Near => 1,
            Level::Short => 2,
        });
    }
}

fn tell(Memory { level, used, limit }: Memory) {
    match level {
        Level::Enough => tracing::info!(used, limit, "there is enough memory again"),
        Level::Near => tracing::warn!(
            used,
            limit,
            "memory is near its limit; the page's history is dropped; raise the memory limit before nothing new can be taken"
        ),
        Level::Short => tracing::warn!(
            used,
            limit,
            "memory is short; new objects and circuits are refused, so that those that are there live on; raise the memory limit"
        ),
    }
}
