//! The writers: healthy statuses at a fixed rate, and beside them the reports by which one circuit after the other trips.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use jiff::Timestamp;
use serde_json::json;
use tokio::task::JoinSet;

use crate::kind::Kind;
use crate::shop::{EACH, Shop};

/// How many write at the same time.
const WRITERS: usize = 64;

/// The first objects of each namespace are written by nobody but those that trip them.
pub(crate) const RESERVED: usize = 10;

/// Scatters writes over all objects.
const STRIDE: usize = 7_919;

/// Writers at work.
pub(crate) struct Writers {
    ended: Arc<AtomicBool>,
    tasks: JoinSet<Result<usize>>,
}

impl Writers {
    /// Begins to write so many statuses a second, or as many as the API server takes.
    pub(crate) fn start(shop: &Shop, rate: usize, objects: usize) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let next = Arc::new(AtomicUsize::new(1));
        let every = Duration::from_secs_f64(WRITERS as f64 / rate as f64);
        let mut tasks = JoinSet::new();
        for writer in 0..WRITERS {
            let (shop, ended, next) = (shop.clone(), Arc::clone(&ended), Arc::clone(&next));
            let mut due = Instant::now() + every.mul_f64(writer as f64 / WRITERS as f64);
            tasks.spawn(async move {
                let mut written = 0;
                while !ended.load(Ordering::Relaxed) {
                    tokio::time::sleep_until(due.into()).await;
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    let index = turn * STRIDE % objects;
                    if index % EACH >= RESERVED {
                        shop.report(index, turn).await?;
                        written += 1;
                    }
                    due = Instant::now().max(due + every);
                }
                Ok(written)
            });
        }
        Self { ended, tasks }
    }

    /// How many statuses they have written.
    pub(crate) async fn stop(self) -> Result<usize> {
        self.ended.store(true, Ordering::Relaxed);
        self.tasks.join_all().await.into_iter().sum()
    }
}

/// An object of a namespace that the writers leave alone.
pub(crate) fn reserved(namespace: usize, which: usize) -> usize {
    namespace * EACH + which % RESERVED
}

/// Reports a breach three times in a row; when the API server had taken the last one.
pub(crate) async fn trip(shop: &Shop, index: usize, trip: usize) -> Result<Instant> {
    for report in 0..3 {
        let mut status = Kind::Storefronts.status(trip, Timestamp::now());
        status["conditions"]["network-latency"] = json!(format!("{}ms", 300 + report));
        shop.write(index, status).await?;
    }
    Ok(Instant::now())
}
