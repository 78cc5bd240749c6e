//! Load: requests to an Envoy throughout a part of a story, each of which must be answered as expected.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Result, ensure};
use tokio::task::JoinHandle;

use crate::support::{http, servers::envoy::Envoy, wait::pace};

/// Some hundred requests a second leave the cores to others.
const PACE: Duration = Duration::from_millis(2);

/// Asks an Envoy for one cluster again and again, and remembers whether every answer had the status that was expected.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Result<u64>>,
}

impl Load {
    pub(super) fn start(envoy: &Envoy, cluster: &str, expected: u16) -> Result<Self> {
        let client = http::builder().build()?;
        let url = envoy.url(cluster);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            let mut answers = 0;
            while !stopped.load(Ordering::Relaxed) {
                let answer = client.get(&url).send().await?;
                let status = answer.status();
                ensure!(
                    status == expected,
                    "answer {answers} of {url} was {status}, not {expected}"
                );
                answer.bytes().await?;
                answers += 1;
                pace(PACE).await;
            }
            Ok(answers)
        });
        Ok(Self { stop, task })
    }

    /// How many answers there were, all as expected.
    pub(super) async fn stop(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await?
    }
}
