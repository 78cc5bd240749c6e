//! The scale: 100,000 custom resources of ten conditions, each with a circuit, on a real API server; two replicas, and 4,000 clients
//! at their xDS ports. While status writes come at a fixed rate, circuits trip, and it is measured when each client that
//! has the namespace's layer knows. At the end all objects are deleted, and memory must be back.

#![allow(
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

#[allow(dead_code, reason = "shared with the bench of the sync")]
#[path = "../sync"]
mod sync {
    pub(crate) mod fill;
    pub(crate) mod footprint;
    pub(crate) mod kind;
    pub(crate) mod shop;
}

mod streams;
mod writers;

use std::env;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::support::fusegate::{Fusegate, FusegateConfig};
use harness::support::servers::apiserver::ApiServer;
use harness::support::wait::pace;
use k8s_openapi::ByteString;
use serde_json::json;
use streams::Streams;
use sync::footprint::Footprint;
use sync::kind::Kind;
use sync::shop::{EACH, Shop};
use sync::{fill, kind, shop};
use writers::Writers;

/// How many circuits trip, one after the other, where there are so many namespaces.
const TRIPS: usize = 100;

/// How long a sync may take before the run is given up.
const PATIENCE: Duration = Duration::from_mins(10);

const OBJECTS: &str = "fusegate_objects";
const CIRCUITS: &str = "fusegate_bounds_size{bound=\"circuits\"}";

#[tokio::main]
async fn main() -> Result<()> {
    let objects = number("FUSEGATE_OBJECTS", 100_000)?;
    let rate = number("FUSEGATE_RATE", 1_000)?;
    let clients = number("FUSEGATE_CLIENTS", 4_000)?;
    println!("starting etcd and kube-apiserver");
    let api = ApiServer::start().await?;
    let shop = Shop::open(api.client().await?, Kind::Storefronts, objects).await?;
    let revision = fill::fill(&api, &shop, Kind::Storefronts, objects).await?;
    shop.caught_up(revision).await?;
    let kubeconfig = api.kubeconfig_path().display().to_string();
    println!("starting two replicas");
    let replicas = [
        launch(&kubeconfig, "one").await?,
        launch(&kubeconfig, "two").await?,
    ];
    let floor = resident(&replicas).await?;
    shop.contract().await?;
    shop.police().await?;
    let began = Instant::now();
    for replica in &replicas {
        wait(replica, OBJECTS, objects).await?;
        wait(replica, CIRCUITS, objects).await?;
    }
    println!(
        "  both hold {objects} objects, a circuit each, after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    let settled = resident(&replicas).await?;
    let each = |bytes: [u64; 2]| {
        [0, 1].map(|replica: usize| bytes[replica].saturating_sub(floor[replica]) / objects as u64)
    };
    println!("  bytes of an object: {:?}", each(settled));

    println!("opening {clients} streams");
    let ports: Vec<_> = replicas.iter().map(Fusegate::xds).collect();
    let namespaces = objects.div_ceil(EACH);
    let mut streams = Streams::open(&ports, clients, namespaces).await?;
    let trips = TRIPS.min(namespaces * writers::RESERVED);
    println!("tripping {trips} circuits while statuses are written, {rate} a second");
    let before = processor(&replicas)?;
    let began = Instant::now();
    let writers = Writers::start(&shop, rate, objects);
    let mut reactions = Vec::new();
    for trip in 0..trips {
        let namespace = trip % namespaces;
        let index = writers::reserved(namespace, trip / namespaces);
        let written = writers::trip(&shop, index, trip).await?;
        for moment in streams.reached(namespace).await? {
            reactions.push(moment.saturating_duration_since(written));
        }
    }
    let took = began.elapsed();
    let writes = writers.stop().await?;
    let after = processor(&replicas)?;
    reactions.sort_unstable();
    let at = |percent: usize| reactions[(reactions.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    let share =
        [0, 1].map(|replica: usize| (after[replica] - before[replica]) / took.as_secs_f64());
    println!(
        "  {:.0} writes a second for {:.0} s; from the acknowledged write to a client: p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms; \
         cores of each replica: {:.2} and {:.2}",
        writes as f64 / took.as_secs_f64(),
        took.as_secs_f64(),
        at(50),
        at(99),
        at(100),
        share[0],
        share[1]
    );

    println!("deleting all objects");
    drop(streams);
    clear(&api).await?;
    for replica in &replicas {
        gone(replica).await?;
    }
    let left = resident(&replicas).await?;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    for replica in [0, 1] {
        println!(
            "  resident: {:.1} MiB without a contract, {:.1} with all objects, {:.1} after they are deleted",
            mib(floor[replica]),
            mib(settled[replica]),
            mib(left[replica])
        );
    }
    Ok(())
}

fn number(name: &str, otherwise: usize) -> Result<usize> {
    match env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} is no number")),
        Err(_) => Ok(otherwise),
    }
}

async fn launch(kubeconfig: &str, name: &str) -> Result<Fusegate> {
    let args = [
        format!("--kubeconfig={kubeconfig}"),
        format!("--replica={name}"),
        "--namespace=fusegate-system".to_owned(),
        "--audit=/dev/null".to_owned(),
    ];
    let mut fusegate = Fusegate::launch(FusegateConfig::args(args).unrecorded()).await?;
    fusegate.ready().await?;
    Ok(fusegate)
}

async fn resident(replicas: &[Fusegate; 2]) -> Result<[u64; 2]> {
    let [one, two] = replicas.each_ref().map(|each| Footprint::of(each.id()));
    let (one, two) = tokio::join!(one.settled(), two.settled());
    Ok([one?, two?])
}

fn processor(replicas: &[Fusegate; 2]) -> Result<[f64; 2]> {
    let [one, two] = replicas.each_ref().map(|each| Footprint::of(each.id()));
    Ok([one.processor()?, two.processor()?])
}

/// Takes all objects out of etcd; to whoever watches they are deleted, as by any request.
async fn clear(api: &ApiServer) -> Result<()> {
    let bytes = |text: &str| serde_json::to_value(ByteString(text.as_bytes().to_vec()));
    let prefix = Kind::Storefronts.prefix();
    // The slash is followed by the zero.
    let end = format!("{}0", prefix.trim_end_matches('/'));
    let range = json!({"key": bytes(prefix)?, "rangeEnd": bytes(&end)?});
    let answer = api.etcd("deleterange", &range).await?;
    ensure!(answer["deleted"].is_string(), "{answer}");
    Ok(())
}

/// Waits until one of a replica's figures is at least so much.
async fn wait(replica: &Fusegate, series: &str, wanted: usize) -> Result<()> {
    settles(replica, series, |found| found >= wanted as f64).await
}

async fn gone(replica: &Fusegate) -> Result<()> {
    settles(replica, CIRCUITS, |found| found < 1.0).await
}

async fn settles(replica: &Fusegate, series: &str, is: impl Fn(f64) -> bool) -> Result<()> {
    let began = Instant::now();
    loop {
        let found = replica.metric(series).await.unwrap_or(f64::NAN);
        if is(found) {
            return Ok(());
        }
        ensure!(
            began.elapsed() < PATIENCE,
            "{series} is {found}; {}",
            replica.log_tail()
        );
        pace(Duration::from_millis(250)).await;
    }
}
