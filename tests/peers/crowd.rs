//! A crowd: fifty canaries at once, and how fast they, metrics and health are answered. `make bench-gates` prints the figures.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    canaries::{phase, succeeded},
    shop::Shop,
    tap::Tap,
};
use crate::support::{fusegate::Fusegate, wait::pace};

const CANARIES: usize = 50;

/// How many checks each canary goes through.
const ITERATIONS: u32 = 8;

/// How often metrics and health are asked for meanwhile.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// Far beyond what is measured on a busy machine of two cores, and far below the ten seconds after which Flagger gives up.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Hooks of one canary: 24, as many as once took every connection that there may be.
fn webhooks(shop: &Shop) -> Value {
    let counts = [
        ("confirm-rollout", 1),
        ("rollout", 12),
        ("rollback", 10),
        ("confirm-promotion", 1),
    ];
    let hooks = counts.into_iter().flat_map(|(hook, count)| {
        (0..count).map(move |number| {
            json!({
                "name": format!("{hook} {number}"),
                "type": hook,
                "url": format!("http://fusegate.fusegate-system.svc:8080/flagger/v1/{hook}"),
                "metadata": {"policy": "checkout"},
            })
        })
    });
    let hooks = Value::Array(hooks.collect()).to_string();
    serde_json::from_str(&shop.addressed(&hooks)).unwrap()
}

/// What was measured of one path, in the order of how long it took.
struct Measured(Vec<Duration>);

impl Measured {
    fn of(mut durations: Vec<Duration>) -> Self {
        durations.sort_unstable();
        Self(durations)
    }

    fn quantile(&self, per_mille: usize) -> Duration {
        let last = self.0.len().saturating_sub(1);
        self.0
            .get(last * per_mille / 1_000)
            .copied()
            .unwrap_or_default()
    }

    fn line(&self, what: &str) -> String {
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        format!(
            "{what}: {} answers, p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms",
            self.0.len(),
            ms(self.quantile(500)),
            ms(self.quantile(990)),
            ms(self.quantile(1_000)),
        )
    }
}

/// What fusegate answers beside the hooks, until dropped.
#[derive(Default)]
struct Beside {
    metrics: Vec<Duration>,
    health: Vec<Duration>,
    connections: u64,
}

impl Beside {
    async fn ask_on(&mut self, fusegate: &Fusegate) -> Result<()> {
        loop {
            let begun = Instant::now();
            let (status, metrics) = fusegate.get("metrics").await?;
            self.metrics.push(begun.elapsed());
            ensure!(status == 200, "{status}");
            let series = metrics.lines();
            let mut series =
                series.filter_map(|line| line.strip_prefix("fusegate_http_connections "));
            let open = series.next().context("no gauge")?.parse()?;
            self.connections = self.connections.max(open);
            for path in ["healthz", "readyz"] {
                let begun = Instant::now();
                let (status, answer) = fusegate.get(path).await?;
                self.health.push(begun.elapsed());
                ensure!(status == 200, "{path}: {status} {answer}");
            }
            pace(ASK_EVERY).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_canaries_at_once_are_answered_at_once() -> Result<()> {
    let mut shop = Shop::open("peers-fifty").await?;
    let fusegate = &shop.world.fusegate;
    let mut tap = Tap::before(fusegate.http()).await?;
    shop.send_to(tap.url());
    let analysis = json!({"iterations": ITERATIONS, "webhooks": webhooks(&shop)});
    let patch = json!({"spec": {"analysis": analysis}});
    for number in 0..CANARIES {
        shop.begin_named(&format!("shop-{number:02}"), &patch)
            .await?;
    }
    shop.wait_begun().await?;
    shop.close().await?;
    shop.release_all().await?;
    let started = |canary: &Value| phase(canary) != "Initialized";
    shop.wait_all("Canary", "to start", started).await?;

    let mut beside = Beside::default();
    tokio::select! {
        over = shop.wait_all("Canary", "to succeed", succeeded) => over?,
        asked = beside.ask_on(fusegate) => asked?,
    }

    shop.assert_nothing_counted().await?;
    let hooks = Measured::of(tap.calls());
    let metrics = Measured::of(beside.metrics);
    let health = Measured::of(beside.health);
    println!("{CANARIES} canaries with 24 hooks each, {ITERATIONS} checks:");
    println!("{}", hooks.line("hooks, as Flagger sees them"));
    println!("{}", metrics.line("/metrics meanwhile"));
    println!("{}", health.line("/healthz and /readyz meanwhile"));
    println!(
        "connections: at most {} of 1,024 were held; at most {} hooks were under way at once",
        beside.connections,
        tap.most()
    );
    ensure!(hooks.0.len() > 10_000 / 2, "{}", hooks.0.len());
    for measured in [&hooks, &metrics, &health] {
        ensure!(measured.quantile(990) < AT_ONCE, "{}", measured.line("p99"));
    }
    ensure!(beside.connections < 256, "{}", beside.connections);
    shop.end().await
}
