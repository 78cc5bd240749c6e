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
use futures::{StreamExt as _, TryStreamExt as _, stream};
use harness::support::fusegate::{Fusegate, FusegateConfig};
use harness::support::servers::apiserver::ApiServer;
use harness::support::wait::{eventually, pace};
use kube::api::{DeleteParams, ListParams};
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

/// How many namespaces are cleared at the same time.
const CLEARED_AT_ONCE: usize = 8;

const OBJECTS: &str = "fusegate_objects";
const CIRCUITS: &str = "fusegate_bounds_size{bound=\"circuits\"}";

/// What a run is of.
struct Size {
    objects: usize,
    /// Status writes a second.
    rate: usize,
    clients: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let size = Size {
        objects: number("FUSEGATE_OBJECTS", 100_000)?,
        rate: number("FUSEGATE_RATE", 1_000)?,
        clients: number("FUSEGATE_CLIENTS", 4_000)?,
    };
    println!("starting etcd and kube-apiserver");
    let api = ApiServer::start().await?;
    let shop = Shop::open(api.client().await?, Kind::Storefronts, size.objects).await?;
    let revision = fill::fill(&api, &shop, Kind::Storefronts, size.objects).await?;
    shop.caught_up(revision).await?;
    let kubeconfig = api.kubeconfig_path().display().to_string();
    println!("starting two replicas");
    let replicas = [
        launch(&kubeconfig, "one").await?,
        launch(&kubeconfig, "two").await?,
    ];
    let floor = resident(&replicas).await?;
    sync(&shop, &replicas, &size).await?;
    let full = resident(&replicas).await?;
    react(&shop, &replicas, &size).await?;
    println!("deleting all objects");
    let began = Instant::now();
    clear(&shop, size.objects.div_ceil(EACH)).await?;
    let cleared = began.elapsed();
    let since = Instant::now();
    for replica in &replicas {
        settles(replica, OBJECTS, |found| found < 1.0).await?;
        settles(replica, CIRCUITS, |found| found < 1.0).await?;
    }
    println!(
        "  the API server had deleted them after {:.1} s, and both replicas knew {:.1} s later",
        cleared.as_secs_f64(),
        since.elapsed().as_secs_f64()
    );
    let left = resident_now(&replicas)?;
    pace(Duration::from_mins(1)).await;
    let later = resident_now(&replicas)?;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    for replica in [0, 1] {
        println!(
            "  resident: {:.1} MiB without a contract, {:.1} with all objects ({} bytes each), {:.1} when they are deleted, {:.1} a minute later",
            mib(floor[replica]),
            mib(full[replica]),
            full[replica].saturating_sub(floor[replica]) / size.objects as u64,
            mib(left[replica]),
            mib(later[replica])
        );
    }
    Ok(())
}

/// Gives the replicas a contract and policies, and waits until both hold every object and its circuit.
async fn sync(shop: &Shop, replicas: &[Fusegate; 2], size: &Size) -> Result<()> {
    shop.contract().await?;
    shop.police().await?;
    let (began, wanted) = (Instant::now(), size.objects as f64);
    for replica in replicas {
        settles(replica, OBJECTS, |found| found >= wanted).await?;
        settles(replica, CIRCUITS, |found| found >= wanted).await?;
    }
    println!(
        "  both hold {wanted} objects, a circuit each, after {:.1} s",
        began.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Trips one circuit after the other while others are written.
async fn react(shop: &Shop, replicas: &[Fusegate; 2], size: &Size) -> Result<()> {
    println!("opening {} streams", size.clients);
    let ports: Vec<_> = replicas.iter().map(Fusegate::xds).collect();
    let namespaces = size.objects.div_ceil(EACH);
    let mut streams = Streams::open(&ports, size.clients, namespaces).await?;
    let trips = TRIPS.min(namespaces * writers::RESERVED);
    let rate = size.rate;
    println!("tripping {trips} circuits while statuses are written, {rate} a second");
    let before = processor(replicas)?;
    let began = Instant::now();
    let load = Writers::start(shop, rate, size.objects);
    let mut reactions = Vec::new();
    for trip in 0..trips {
        let namespace = trip % namespaces;
        let index = writers::reserved(namespace, trip / namespaces);
        let acknowledged = writers::trip(shop, index, trip).await?;
        for moment in streams.reached(namespace).await? {
            reactions.push(moment.saturating_duration_since(acknowledged));
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let reports = load.stop().await?;
    let after = processor(replicas)?;
    reactions.sort_unstable();
    let at = |percent: usize| reactions[(reactions.len() - 1) * percent / 100].as_secs_f64() * 1e3;
    println!(
        "  {:.0} writes a second for {seconds:.0} s; from the acknowledged write to a client: p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms; \
         cores of each replica: {:.2} and {:.2}",
        reports as f64 / seconds,
        at(50),
        at(99),
        at(100),
        (after[0] - before[0]) / seconds,
        (after[1] - before[1]) / seconds
    );
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

fn resident_now(replicas: &[Fusegate; 2]) -> Result<[u64; 2]> {
    let [one, two] = replicas.each_ref().map(|each| Footprint::of(each.id()));
    Ok([one.resident()?, two.resident()?])
}

fn processor(replicas: &[Fusegate; 2]) -> Result<[f64; 2]> {
    let [one, two] = replicas.each_ref().map(|each| Footprint::of(each.id()));
    Ok([one.processor()?, two.processor()?])
}

/// Deletes all objects, a namespace's by one request, as a person does. It can't be done in etcd at once: what is deleted
/// together has one resource version there, and a watch that resumes at it is not told of the rest.
async fn clear(shop: &Shop, namespaces: usize) -> Result<()> {
    stream::iter(0..namespaces)
        .map(async |namespace| {
            let objects = shop.objects(namespace * EACH);
            let (params, all) = (DeleteParams::default(), ListParams::default());
            eventually("a namespace to be empty", PATIENCE, async || {
                objects.delete_collection(&params, &all).await?;
                let left = objects.list_metadata(&all.clone().limit(1)).await?;
                ensure!(left.items.is_empty(), "objects are left");
                Ok(())
            })
            .await
        })
        .buffer_unordered(CLEARED_AT_ONCE)
        .try_collect()
        .await
}

/// Waits until one of a replica's figures is as it should be.
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
