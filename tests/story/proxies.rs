//! Proxies that misbehave: by the thousand, deaf, refusing everything, sending garbage.
//!
//! Each time the others are served in time, memory is bounded, the log can be read, and it ends by itself.

use std::{fs, net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, ensure};
use prost::Message as _;
use rstest::rstest;
use serde_json::json;
use tokio::{task::JoinSet, time::Instant};

use super::{
    attackers::{Proxy, Raw, connect, hello, message},
    garbage::Garbage,
    store::Place,
    world::{Opening, Shop, latency},
};
use crate::support::wait::eventually;

const POLICY: &str = "checkout";
/// A crowd of streams, over a number of connections.
const CROWD: usize = 4_000;
const CONNECTIONS: usize = 80;
/// What a stream that reads nothing may take, and what may stay of all of them.
const MOST_EACH: u64 = 64 << 10;
const MOST_KEPT: u64 = 16 << 20;
/// Longer than it takes until a silent connection is probed, and the probe given up.
const UNTIL_PROBED: Duration = Duration::from_mins(2);

/// A shop, and a healthy proxy beside its Envoy.
struct Scene {
    shop: Shop,
    healthy: Proxy,
    round: u32,
}

impl Scene {
    async fn open() -> Result<Self> {
        let opening = Opening::at(Place::Folder).policy(POLICY, json!({}));
        let shop = opening.object("front").object("back").open().await?;
        let mut scene = Self {
            healthy: Self::join(&shop).await?,
            shop,
            round: 0,
        };
        scene.served(2).await?;
        Ok(scene)
    }

    async fn join(shop: &Shop) -> Result<Proxy> {
        let channel = connect(shop.store.fusegate().xds(), None).await?;
        Proxy::open(channel, hello("healthy", vec![layer(shop)])).await
    }

    fn xds(&self) -> SocketAddr {
        self.shop.store.fusegate().xds()
    }

    /// Publishes a few times, waits until the healthy proxy and Envoy have each, and returns the longest that took.
    async fn served(&mut self, times: u32) -> Result<Duration> {
        let mut longest = Duration::ZERO;
        for _ in 0..times {
            self.round += 1;
            let millis = 100 + self.round % 100;
            let begun = Instant::now();
            self.shop
                .write("back", &latency(&format!("{millis}ms")))
                .await?;
            let key = "fusegate.Storefront.back.network-latency";
            let arrived = self.healthy.until(key, f64::from(millis)).await;
            arrived.with_context(|| format!("{millis} did not come"))?;
            longest = longest.max(begun.elapsed());
            self.shop
                .wait_published("back", &millis.to_string())
                .await?;
        }
        Ok(longest)
    }

    /// Fails unless these bounds were met, as metrics and admin port say alike, and none is exceeded.
    async fn assert_met(&self, names: &[&str]) -> Result<()> {
        let fusegate = self.shop.store.fusegate();
        let bounds = fusegate.get_json("v1/bounds").await?;
        let items = bounds["items"].as_array().context("no list")?;
        for item in items {
            let (size, limit) = (item["size"].as_u64(), item["limit"].as_u64());
            ensure!(size <= limit, "{item}");
            let series = format!("fusegate_bounds_met_total{{bound={}}}", item["name"]);
            fusegate.metric(&series).await?;
        }
        for name in names {
            let found = items.iter().find(|item| item["name"] == *name);
            let met = found.and_then(|item| item["met"].as_u64());
            ensure!(met.is_some_and(|met| met > 0), "{name} in {bounds}");
            let series = format!("fusegate_bounds_met_total{{bound=\"{name}\"}}");
            ensure!(fusegate.metric(&series).await? > 0.0, "{series}");
        }
        Ok(())
    }

    /// How many files and connections fusegate has open.
    fn descriptors(&self) -> Result<usize> {
        let id = self.shop.store.fusegate().id();
        Ok(fs::read_dir(format!("/proc/{id}/fd"))?.count())
    }

    async fn wait_descriptors(&self, most: usize, within: Duration) -> Result<()> {
        eventually("the connections to end", within, async || {
            let open = self.descriptors()?;
            ensure!(open <= most, "{open} descriptors, {most} before");
            Ok(())
        })
        .await
    }
}

fn layer(shop: &Shop) -> String {
    format!("{}.conditions", shop.documents.namespace)
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_streams_that_read_nothing_delay_nobody() -> Result<()> {
    let mut scene = Scene::open().await?;
    let alone = scene.served(3).await?;
    let (before, descriptors) = (
        scene.shop.store.fusegate().resident()?,
        scene.descriptors()?,
    );
    let (address, name) = (scene.xds(), layer(&scene.shop));
    let mut connecting = JoinSet::new();
    for number in 0..CONNECTIONS {
        let name = name.clone();
        connecting.spawn(async move {
            let channel = connect(address, Some(0)).await?;
            let mut streams = Vec::new();
            for stream in 0..CROWD / CONNECTIONS {
                let first = hello(&format!("deaf-{number}-{stream}"), vec![name.clone()]);
                streams.push(Proxy::open(channel.clone(), first).await?);
            }
            anyhow::Ok(streams)
        });
    }
    let while_they_come = scene.served(3).await?;
    let mut crowd = Vec::new();
    while let Some(streams) = connecting.join_next().await {
        crowd.extend(streams??);
    }
    ensure!(crowd.len() == CROWD);

    let while_they_are_deaf = scene.served(10).await?;
    let crowded = scene.shop.store.fusegate().resident()?;
    eprintln!(
        "served within {alone:?} alone, {while_they_come:?} while they came, {while_they_are_deaf:?} beside them; {} bytes a stream",
        crowded.saturating_sub(before) / CROWD as u64
    );
    let most = before + MOST_EACH * CROWD as u64;
    ensure!(
        crowded <= most,
        "{} KiB, {} KiB before",
        crowded >> 10,
        before >> 10
    );
    drop(crowd);
    scene.wait_descriptors(descriptors, UNTIL_PROBED).await?;
    scene.served(3).await?;
    eventually("the memory to come back", UNTIL_PROBED, async || {
        let now = scene.shop.store.fusegate().resident()?;
        ensure!(
            now <= before + MOST_KEPT,
            "{} KiB, {} KiB before",
            now >> 10,
            before >> 10
        );
        Ok(())
    })
    .await
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxies_that_refuse_everything_are_told_of_and_hold_up_nobody() -> Result<()> {
    const REFUSERS: usize = 100;
    const ROUNDS: u32 = 20;
    let mut scene = Scene::open().await?;
    scene.shop.trip(POLICY, "front").await?;
    let (before, begun) = (scene.shop.store.fusegate().log()?.len(), Instant::now());
    let layers = vec![layer(&scene.shop), scene.shop.documents.namespace.clone()];
    let channel = connect(scene.xds(), None).await?;
    let mut refusers = JoinSet::new();
    for number in 0..REFUSERS {
        let first = hello(&format!("refuser-{number}"), layers.clone());
        let mut proxy = Proxy::open(channel.clone(), first).await?;
        refusers.spawn(async move {
            let words = format!("no\n\u{1b}[31mERROR forged\r\n{}", "x".repeat(100_000));
            // It ends with the connection.
            while let Ok(response) = proxy.next().await {
                proxy.answer(&response, Some(&words)).await?;
            }
            anyhow::Ok(())
        });
    }

    let longest = scene.served(ROUNDS).await?;

    eprintln!("served within {longest:?} beside {REFUSERS} that refuse");
    let shop = &scene.shop;
    shop.wait(
        "the policy to say who refuses, and in which words",
        async || {
            let status = shop
                .store
                .status("CircuitPolicy", POLICY)
                .await?
                .to_string();
            ensure!(
                status.contains("refuser-") && status.contains("no\\\\n"),
                "{status}"
            );
            ensure!(
                status.len() < 64 << 10,
                "a status of {} bytes",
                status.len()
            );
            Ok(())
        },
    )
    .await?;
    let log = shop.store.fusegate().log()?;
    let said = log.get(before..).context("the log")?;
    // A hundred lines from each place in ten seconds, and the places are few.
    let windows = usize::try_from(begun.elapsed().as_secs() / 10)? + 2;
    ensure!(
        said.len() < windows << 19,
        "{} bytes of log in {:?}",
        said.len(),
        begun.elapsed()
    );
    let control = |char: &char| char.is_control() && *char != '\n';
    ensure!(
        said.chars().find(control).is_none(),
        "a control character in the log"
    );
    ensure!(!said.lines().any(|line| line.starts_with("ERROR forged")));
    scene.assert_met(&["log_lines"]).await?;
    refusers.abort_all();
    drop(channel);
    while refusers.join_next().await.is_some() {}
    let shop = &scene.shop;
    shop.wait("the policy to be programmed again", async || {
        let status = shop
            .store
            .status("CircuitPolicy", POLICY)
            .await?
            .to_string();
        ensure!(!status.contains("refuser-"), "{status}");
        Ok(())
    })
    .await
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_refused_and_costs_nobody_anything() -> Result<()> {
    let mut scene = Scene::open().await?;
    for garbage in Garbage::ALL {
        // Once, so that what is needed once is there.
        garbage
            .send(scene.xds())
            .await
            .with_context(|| format!("{garbage:?}"))?;
    }
    let (before, descriptors) = (
        scene.shop.store.fusegate().resident()?,
        scene.descriptors()?,
    );
    let log = scene.shop.store.fusegate().log()?.len();
    for garbage in Garbage::ALL {
        for _ in 0..5 {
            garbage
                .send(scene.xds())
                .await
                .with_context(|| format!("{garbage:?}"))?;
        }
        let longest = scene.served(1).await?;
        eprintln!("{garbage:?}: served within {longest:?}");
    }
    let met = [
        "xds_names",
        "xds_types",
        "xds_name_bytes",
        "xds_request_bytes",
    ];
    scene.assert_met(&met).await?;
    scene.wait_descriptors(descriptors, UNTIL_PROBED).await?;
    let now = scene.shop.store.fusegate().resident()?;
    ensure!(
        now <= before + MOST_KEPT,
        "{} KiB, {} KiB before",
        now >> 10,
        before >> 10
    );
    let said = scene.shop.store.fusegate().log()?.len() - log;
    ensure!(said < 256 << 10, "{said} bytes of log");
    Ok(())
}

#[rstest]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_say_nothing_or_never_read_end_by_themselves() -> Result<()> {
    const EACH: usize = 100;
    let mut scene = Scene::open().await?;
    let descriptors = scene.descriptors()?;
    let first = hello("mute", vec![layer(&scene.shop)]).encode_to_vec();
    let body = message(first.len(), &first);
    let mut mute = Vec::new();
    for _ in 0..EACH {
        mute.push(Raw::silent(scene.xds()).await?);
        mute.push(Raw::begun(scene.xds()).await?);
        mute.push(Raw::streaming(scene.xds(), &body).await?);
    }
    scene.wait_descriptors(usize::MAX, UNTIL_PROBED).await?;

    scene.served(10).await?;

    // None of them has hung up: what ends them is that they don't answer.
    scene.wait_descriptors(descriptors, UNTIL_PROBED).await?;
    drop(mute);
    scene.served(1).await?;
    Ok(())
}
