//! The sync: how long fusegate takes from its start until it holds 100,000 custom resources of ten
//! conditions from a real API server, and how much memory that takes, without circuits and with one
//! for each; then whether a flood of writes moves it, and what judging all of them for a rollback takes. `FUSEGATE_KIND=pods` takes Pods in their place.

#![allow(
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::print_stdout,
    missing_docs
)]

#[path = "../.."]
mod harness {
    pub(crate) mod support;
}

mod fill;
mod footprint;
mod kind;
mod peer;
mod rollback;
mod shop;

use std::env;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use footprint::Footprint;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use harness::support::fusegate::{Fusegate, FusegateConfig};
use harness::support::servers::apiserver::ApiServer;
use harness::support::wait::pace;
use kind::Kind;
use shop::Shop;

/// How many objects there are, unless `FUSEGATE_OBJECTS` says otherwise.
const OBJECTS: usize = 100_000;

/// How many of them are written anew.
const FLOOD: usize = 5_000;

/// How many writers there are.
const WRITERS: usize = 32;

/// How long a sync, or the arrival of a flood, may take before the run is given up.
const PATIENCE: Duration = Duration::from_mins(10);

/// How often fusegate is asked how far it is; asking costs it about 10 ms once there are 100,000 circuits.
const ASK_EVERY: Duration = Duration::from_millis(250);

#[tokio::main]
async fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    if let [role, kubeconfig, objects] = args.as_slice()
        && role == "peer"
    {
        return peer::run(kubeconfig, objects.parse()?).await;
    }
    let objects = match env::var("FUSEGATE_OBJECTS") {
        Ok(objects) => objects.parse().context("FUSEGATE_OBJECTS")?,
        Err(_) => OBJECTS,
    };
    bench(Kind::chosen()?, objects).await
}

async fn bench(kind: Kind, objects: usize) -> Result<()> {
    println!("starting etcd and kube-apiserver");
    let api = ApiServer::start().await?;
    let shop = Shop::open(api.client().await?, kind, objects).await?;
    let revision = fill::fill(&api, &shop, kind, objects).await?;
    shop.caught_up(revision).await?;
    let kubeconfig = api.kubeconfig_path().display().to_string();
    println!("listing with kube-runtime's reflector");
    let peer = peer::measure(&kubeconfig, objects).await?;
    println!("starting fusegate without a contract");
    let floor = floor(&kubeconfig).await?;
    shop.contract().await?;
    let watched = run("watched", &kubeconfig, &shop, objects, 0).await?;
    shop.police().await?;
    let judged = run("a circuit each", &kubeconfig, &shop, objects, objects).await?;
    report(kind, objects, floor, &peer, &[watched, judged]);
    if matches!(kind, Kind::Storefronts) {
        rollback::measure(&kubeconfig, &shop).await?;
    }
    Ok(())
}

/// What one variation took. Bytes are resident memory.
struct Run {
    name: &'static str,
    seconds: f64,
    processor: f64,
    peak: u64,
    settled: u64,
    flood_seconds: f64,
    flood_processor: f64,
    flood_peak: u64,
    flood_settled: u64,
}

async fn floor(kubeconfig: &str) -> Result<u64> {
    let mut fusegate = launch(kubeconfig).await?;
    fusegate.ready().await?;
    Footprint::of(fusegate.id()).settled().await
}

async fn run(
    name: &'static str,
    kubeconfig: &str,
    shop: &Shop,
    objects: usize,
    circuits: usize,
) -> Result<Run> {
    println!("starting fusegate: {name}");
    let began = Instant::now();
    let fusegate = launch(kubeconfig).await?;
    let footprint = Footprint::of(fusegate.id());
    reached(&fusegate, "fusegate_objects", objects).await?;
    reached(&fusegate, CIRCUITS, circuits).await?;
    let (seconds, processor) = (began.elapsed().as_secs_f64(), footprint.processor()?);
    let settled = footprint.settled().await?;
    let peak = footprint.peak()?;
    footprint.forget_peak()?;
    let (flooded, before) = (Instant::now(), footprint.processor()?);
    flood(shop, &fusegate, objects).await?;
    Ok(Run {
        name,
        seconds,
        processor,
        peak,
        settled,
        flood_seconds: flooded.elapsed().as_secs_f64(),
        flood_processor: footprint.processor()? - before,
        flood_settled: footprint.settled().await?,
        flood_peak: footprint.peak()?,
    })
}

const CIRCUITS: &str = "fusegate_bounds_size{bound=\"circuits\"}";
const EVENTS: &str = "fusegate_events_total{feed=\"Objects\"}";

async fn launch(kubeconfig: &str) -> Result<Fusegate> {
    let args = [
        format!("--kubeconfig={kubeconfig}"),
        "--audit=/dev/null".to_owned(),
    ];
    Fusegate::launch(FusegateConfig::args(args).unrecorded()).await
}

/// Waits until one of fusegate's figures is at least so much.
async fn reached(fusegate: &Fusegate, series: &str, wanted: usize) -> Result<()> {
    let began = Instant::now();
    loop {
        let found = fusegate.metric(series).await.unwrap_or_default();
        if found >= wanted as f64 {
            return Ok(());
        }
        let log = || fusegate.log_tail();
        ensure!(
            began.elapsed() < PATIENCE,
            "{series} is {found}, not {wanted}; {}",
            log()
        );
        pace(ASK_EVERY).await;
    }
}

/// Writes some of the objects anew, and waits until fusegate has heard of each.
async fn flood(shop: &Shop, fusegate: &Fusegate, objects: usize) -> Result<()> {
    let flood = FLOOD.min(objects);
    println!("writing {flood} of them anew");
    let before = fusegate.metric(EVENTS).await?;
    let writes = (0..flood).map(|write| {
        let index = write * (objects / flood);
        let shop = shop.clone();
        async move { shop.report(index, index + 1).await }
    });
    stream::iter(writes)
        .buffer_unordered(WRITERS)
        .try_collect::<()>()
        .await?;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count"
    )]
    let wanted = before as usize + flood;
    reached(fusegate, EVENTS, wanted).await
}

fn report(kind: Kind, objects: usize, floor: u64, peer: &peer::Took, runs: &[Run]) {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let each = |bytes: u64, floor: u64| bytes.saturating_sub(floor) / objects as u64;
    println!(
        "\n{objects} {}; MiB and bytes are resident memory",
        kind.plural()
    );
    println!("  process floor, no contract: {:.1} MiB", mib(floor));
    println!(
        "  {:<32} {:>8} {:>8} {:>10} {:>12} {:>12}",
        "from the start until all are held",
        "seconds",
        "CPU s",
        "peak MiB",
        "settled MiB",
        "bytes each"
    );
    println!(
        "  {:<33} {:>8.1} {:>8.1} {:>10.1} {:>12.1} {:>12}",
        "kube-runtime reflector (peer)",
        peer.seconds,
        peer.processor,
        mib(peer.peak),
        mib(peer.settled),
        each(peer.settled, peer.floor)
    );
    for run in runs {
        println!(
            "  {:<33} {:>8.1} {:>8.1} {:>10.1} {:>12.1} {:>12}",
            run.name,
            run.seconds,
            run.processor,
            mib(run.peak),
            mib(run.settled),
            each(run.settled, floor)
        );
    }
    println!("  {} of them written anew", FLOOD.min(objects));
    for run in runs {
        println!(
            "  {:<33} {:>8.1} {:>8.1} {:>10.1} {:>12.1} {:>12}",
            run.name,
            run.flood_seconds,
            run.flood_processor,
            mib(run.flood_peak),
            mib(run.flood_settled),
            each(run.flood_settled, floor)
        );
    }
    let told: Vec<String> = runs
        .iter()
        .map(|run| conclude(run, objects, floor))
        .collect();
    println!("\nsync of {objects}: {}", told.join("; "));
}

fn conclude(run: &Run, objects: usize, floor: u64) -> String {
    let objects = objects as u64;
    let each = |bytes: u64| bytes.saturating_sub(floor) / objects;
    format!(
        "{} {:.1} s, {} bytes each at peak, {} settled, {} after the flood",
        run.name,
        run.seconds,
        each(run.peak),
        each(run.settled),
        each(run.flood_settled)
    )
}
