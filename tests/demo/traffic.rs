//! The traffic: a hundred requests a second to each cluster through Envoy, counted by their answers.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use reqwest::{Client, StatusCode};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::harness::support::http;
use crate::timeline::Timeline;

/// The time between two requests to one cluster.
const PERIOD: Duration = Duration::from_millis(10);

/// How often an unchanged mix of answers is told again.
const QUIET: u64 = 6;

/// Running traffic; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Traffic {
    lanes: Vec<Arc<Lane>>,
    _tasks: JoinSet<()>,
}

/// The requests to one cluster.
#[derive(Debug)]
pub(crate) struct Lane {
    cluster: &'static str,
    counts: Counts,
    first_shed: OnceLock<Instant>,
}

#[derive(Debug, Default)]
struct Counts {
    served: AtomicU64,
    shed: AtomicU64,
    failed: AtomicU64,
}

/// How requests were answered, up to a moment or since another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answers {
    pub(crate) served: u64,
    pub(crate) shed: u64,
    pub(crate) failed: u64,
}

impl Traffic {
    /// Sends requests to each cluster's URL, and tells once a second what has changed.
    pub(crate) fn start(urls: [(&'static str, String); 2], timeline: Timeline) -> Result<Self> {
        let client = http::builder().timeout(Duration::from_secs(5)).build()?;
        let mut tasks = JoinSet::new();
        let mut lanes = Vec::new();
        for (cluster, url) in urls {
            let lane = Arc::new(Lane {
                cluster,
                counts: Counts::default(),
                first_shed: OnceLock::new(),
            });
            tasks.spawn(send(client.clone(), url, Arc::clone(&lane)));
            lanes.push(lane);
        }
        tasks.spawn(tell(lanes.clone(), timeline));
        Ok(Self {
            lanes,
            _tasks: tasks,
        })
    }

    /// Everything that was answered for a cluster until now.
    pub(crate) fn answers(&self, cluster: &str) -> Answers {
        let lane = self.lanes.iter().find(|lane| lane.cluster == cluster);
        lane.map(|lane| lane.counts.read()).unwrap_or_default()
    }

    /// When the cluster's first request was shed.
    pub(crate) fn first_shed(&self, cluster: &str) -> Option<Instant> {
        let lane = self.lanes.iter().find(|lane| lane.cluster == cluster)?;
        lane.first_shed.get().copied()
    }
}

impl Counts {
    fn read(&self) -> Answers {
        Answers {
            served: self.served.load(Ordering::Relaxed),
            shed: self.shed.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }
}

impl Answers {
    /// What has come since an earlier moment.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            served: self.served.saturating_sub(earlier.served),
            shed: self.shed.saturating_sub(earlier.shed),
            failed: self.failed.saturating_sub(earlier.failed),
        }
    }

    /// The percent that was let through.
    pub(crate) fn percent_served(self) -> u64 {
        let all = self.served + self.shed + self.failed;
        (self.served * 100).checked_div(all).unwrap_or(100)
    }

    /// The mix, so coarse that chance doesn't change it.
    fn mix(self) -> u64 {
        match self.percent_served() {
            0 => 0,
            1..=29 => 1,
            30..=79 => 2,
            80..=99 => 3,
            _ => 4,
        }
    }
}

/// Requests are sent on time whatever becomes of the earlier ones, as a crowd of users would.
async fn send(client: Client, url: String, lane: Arc<Lane>) {
    let mut under_way = JoinSet::new();
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        while under_way.try_join_next().is_some() {}
        let (request, lane) = (client.get(&url), Arc::clone(&lane));
        under_way.spawn(async move {
            let answer = request.send().await;
            let arrived = Instant::now();
            let count = match answer.map(|answer| answer.status()) {
                Ok(StatusCode::OK) => &lane.counts.served,
                Ok(StatusCode::SERVICE_UNAVAILABLE) => {
                    lane.first_shed.get_or_init(|| arrived);
                    &lane.counts.shed
                }
                _ => &lane.counts.failed,
            };
            count.fetch_add(1, Ordering::Relaxed);
        });
    }
}

/// One line when the mix of answers of any cluster changes, and one now and then when it does not.
async fn tell(lanes: Vec<Arc<Lane>>, timeline: Timeline) {
    let mut ticks = interval(Duration::from_secs(1));
    ticks.tick().await;
    let mut before = vec![Answers::default(); lanes.len()];
    let mut told: Vec<u64> = Vec::new();
    let mut quiet = 0;
    loop {
        ticks.tick().await;
        let now: Vec<Answers> = lanes.iter().map(|lane| lane.counts.read()).collect();
        let second: Vec<Answers> = now
            .iter()
            .zip(&before)
            .map(|(now, before)| now.since(*before))
            .collect();
        let mixes: Vec<u64> = second.iter().map(|answers| answers.mix()).collect();
        quiet += 1;
        if mixes != told || quiet >= QUIET {
            let words = lanes
                .iter()
                .zip(&second)
                .map(|(lane, second)| words(lane, *second));
            timeline.tell("envoy", words.collect::<Vec<_>>().join("    "));
            (told, quiet) = (mixes, 0);
        }
        before = now;
    }
}

fn words(lane: &Lane, second: Answers) -> String {
    let Answers {
        served,
        shed,
        failed,
    } = second;
    let failed = if failed > 0 {
        format!(" {failed:>3} × failed")
    } else {
        String::new()
    };
    format!(
        "{}/s: {served:>3} × 200 {shed:>3} × 503{failed}",
        lane.cluster
    )
}
