//! The reaction: from a status write that a real API server has acknowledged to the first
//! 503 from a real Envoy, and where the time goes: 200 trips by reports in a row, when the circuit's record is still on
//! its way as it trips, and as many with a pause before the last report.
//!
//! Two observers stand beside fusegate: a watch of their own on the same objects, and an ADS
//! stream of their own on the same layer. So the time to 503 splits into what the API server's
//! watch takes, what fusegate takes (decode, decide, publish, send), and what Envoy takes.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs
)]

#[path = "../.."]
mod harness {
    pub(crate) mod support;
}

mod observers;
mod shop;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use harness::support::fusegate::{Fusegate, FusegateConfig};
use harness::support::http;
use harness::support::servers::apiserver::ApiServer;
use harness::support::servers::envoy::{Envoy, EnvoyConfig};
use harness::support::servers::upstream::Upstream;
use harness::support::wait::{eventually, pace};
use observers::{Pushes, Watched};
use serde_json::Value;
use shop::Shop;

/// How many trips of each pattern are measured.
const TRIPS: usize = 200;

/// The patterns: how long the last report comes after the one before was taken in.
const PATTERNS: [(&str, Duration); 2] = [
    ("reports in a row", Duration::ZERO),
    ("100 ms before the last report", Duration::from_millis(100)),
];

/// How long anything may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> Result<()> {
    println!("starting etcd, kube-apiserver, Envoy and fusegate");
    let api = ApiServer::start().await?;
    let shop = Shop::open(api.client().await?, TRIPS * PATTERNS.len()).await?;
    let upstream = Upstream::start().await?;
    let fusegate = start_fusegate(&api).await?;
    let clusters =
        (0..TRIPS * PATTERNS.len()).map(|trip| (shop::cluster(trip), upstream.address()));
    let config = EnvoyConfig {
        xds: vec![fusegate.xds()],
        layers: vec!["shop".to_owned()],
        clusters: clusters.collect(),
        ..EnvoyConfig::default()
    };
    let envoy = Envoy::start_live(config).await?;
    let watched = Watched::start(shop.objects.clone()).await?;
    let pushes = Pushes::start(fusegate.xds()).await?;
    let mut bench = Bench {
        shop,
        fusegate,
        envoy,
        watched,
        pushes,
    };
    for (index, (pattern, pause)) in PATTERNS.into_iter().enumerate() {
        println!("\n{pattern}: measuring {TRIPS} trips");
        let (sum_before, count_before) = own_time(&bench.fusegate).await?;
        let mut reactions = Vec::with_capacity(TRIPS);
        for trip in index * TRIPS..(index + 1) * TRIPS {
            reactions.push(bench.react(trip, pause).await?);
        }
        report(&reactions);
        let (sum, count) = own_time(&bench.fusegate).await?;
        let (sum, count) = (sum - sum_before, count - count_before);
        println!(
            "  (fusegate's own clock: decide and publish {:.3} ms on average of {count})",
            sum * 1e3 / count
        );
        conclude(pattern, &reactions);
    }
    Ok(())
}

/// Everything that takes part.
struct Bench {
    shop: Shop,
    fusegate: Fusegate,
    envoy: Envoy,
    watched: Watched,
    pushes: Pushes,
}

async fn start_fusegate(api: &ApiServer) -> Result<Fusegate> {
    let kubeconfig = format!("--kubeconfig={}", api.kubeconfig_path().display());
    let config = FusegateConfig::args([kubeconfig, "--audit=/dev/null".to_owned()]);
    Fusegate::start(config.unrecorded()).await
}

/// One trip's times, in milliseconds after the acknowledgement of the write.
struct Reaction {
    /// What the write itself took.
    write: f64,
    watch: f64,
    push: f64,
    shed: f64,
}

impl Bench {
    async fn react(&mut self, trip: usize, pause: Duration) -> Result<Reaction> {
        let (name, cluster) = (shop::name(trip), shop::cluster(trip));
        self.shop.report(trip, 300).await?;
        self.shop.report(trip, 310).await?;
        armed(&self.fusegate, &name).await?;
        pace(pause).await;
        let polling = tokio::spawn(first_503(self.envoy.url(&cluster)));
        let began = Instant::now();
        self.shop.report(trip, 320).await?;
        let acknowledged = Instant::now();
        let shed = polling.await??;
        let watch = self.watched.saw(&name, "320ms", PATIENCE).await?;
        let key = format!("upstream.maintenance_mode.{cluster}");
        let push = self.pushes.brought(&key, PATIENCE).await?;
        self.shop.delete(trip).await?;
        let after = |moment: Instant| match moment.checked_duration_since(acknowledged) {
            Some(later) => later.as_secs_f64() * 1e3,
            None => -(acknowledged - moment).as_secs_f64() * 1e3,
        };
        Ok(Reaction {
            write: -after(began),
            watch: after(watch),
            push: after(push),
            shed: after(shed),
        })
    }
}

/// Waits until fusegate has counted two bad samples of an object.
async fn armed(fusegate: &Fusegate, object: &str) -> Result<()> {
    let path = format!("argo/v1/verdict?namespace=shop&policy=checkout&object={object}");
    eventually("two bad samples", PATIENCE, async || {
        let verdict: Value = fusegate.get_json(&path).await?;
        ensure!(verdict["streak"] == 2, "{verdict}");
        Ok(())
    })
    .await
}

/// Asks Envoy without pause until it sheds; the moment of that answer.
async fn first_503(url: String) -> Result<Instant> {
    let client = http::client()?;
    let started = Instant::now();
    loop {
        let answer = client.get(&url).send().await?;
        let now = Instant::now();
        if answer.status() == 503 {
            ensure!(
                answer.headers().contains_key("x-envoy-overloaded"),
                "a 503 that is not ours: {answer:?}"
            );
            return Ok(now);
        }
        answer.bytes().await?;
        if now.duration_since(started) > PATIENCE {
            bail!("no 503 within {PATIENCE:?}");
        }
    }
}

fn report(reactions: &[Reaction]) {
    let spread = |name: &str, pick: fn(&Reaction) -> f64| {
        let (p50, p99) = percentiles(reactions.iter().map(pick).collect());
        println!("  {name:<42} p50 {p50:>7.2} ms   p99 {p99:>7.2} ms");
        (p50, p99)
    };
    println!(
        "after the acknowledgement of the write ({} trips):",
        reactions.len()
    );
    spread("watch event at an observer (API server)", |r| r.watch);
    spread("layer at an ADS observer", |r| r.push);
    spread("first 503 (Envoy)", |r| r.shed);
    println!("of which, per trip:");
    spread("API server's watch", |r| r.watch);
    spread("fusegate: decode, decide, publish, send", |r| {
        r.push - r.watch
    });
    spread("Envoy, and the polling client", |r| r.shed - r.push);
    println!("beside it, for comparison:");
    spread("the status write itself, until acknowledged", |r| r.write);
}

fn conclude(pattern: &str, reactions: &[Reaction]) {
    let (p50, p99) = percentiles(reactions.iter().map(|reaction| reaction.shed).collect());
    println!("reaction, {pattern}: p50 {p50:.2} ms, p99 {p99:.2} ms");
}

/// What fusegate measured of itself, from taking an event to having published: seconds, and how often.
async fn own_time(fusegate: &Fusegate) -> Result<(f64, f64)> {
    let sum = fusegate.metric("fusegate_reaction_seconds_sum").await?;
    let count = fusegate.metric("fusegate_reaction_seconds_count").await?;
    Ok((sum, count))
}

fn percentiles(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank"
        )]
        let rank = ((values.len() - 1) as f64 * share).ceil() as usize;
        values.get(rank).copied().context("no values")
    };
    (at(0.5).unwrap_or(f64::NAN), at(0.99).unwrap_or(f64::NAN))
}
