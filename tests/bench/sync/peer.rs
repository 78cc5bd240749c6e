//! The peer: what a program of `kube-runtime`'s reflector takes for the same objects, in a process of its own.
//!
//! It keeps every object whole, as informers do, and judges nothing.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use futures::{StreamExt as _, pin_mut};
use kube::api::DynamicObject;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{WatchStreamExt as _, reflector, watcher};
use kube::{Api, Client, Config};

use crate::footprint::Footprint;
use crate::kind::Kind;

/// What it took.
pub(crate) struct Took {
    pub(crate) seconds: f64,
    pub(crate) processor: f64,
    pub(crate) floor: u64,
    pub(crate) peak: u64,
    pub(crate) settled: u64,
}

/// Starts the peer, lets it list, and measures it from outside.
pub(crate) async fn measure(kubeconfig: &str, objects: usize) -> Result<Took> {
    let mut child = Command::new(env::current_exe()?)
        .args(["peer", kubeconfig, &objects.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let footprint = Footprint::of(child.id());
    let took = watch_from_outside(&mut child, &footprint).await;
    child.kill()?;
    child.wait()?;
    took
}

async fn watch_from_outside(child: &mut Child, footprint: &Footprint) -> Result<Took> {
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let mut line = || -> Result<String> { Ok(lines.next().context("the peer ended")??) };
    ensure!(line()? == "connected", "the peer did not connect");
    let floor = footprint.resident()?;
    let began = Instant::now();
    let stdin = child.stdin.as_mut().context("no input")?;
    stdin.write_all(b"go\n")?;
    ensure!(line()? == "synced", "the peer did not sync");
    Ok(Took {
        seconds: began.elapsed().as_secs_f64(),
        processor: footprint.processor()?,
        floor,
        peak: footprint.peak()?,
        settled: footprint.settled().await?,
    })
}

/// Runs as the peer, until it is killed.
pub(crate) async fn run(kubeconfig: &str, objects: usize) -> Result<()> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let mut config =
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    // A proxy of the environment does not know our loopback address.
    config.proxy_url = None;
    let client = Client::try_from(config)?;
    client.apiserver_version().await?;
    println!("connected");
    std::io::stdin().lock().read_line(&mut String::new())?;
    let resource = Kind::chosen()?.resource();
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    let writer = reflector::store::Writer::new(resource);
    let store = writer.as_reader();
    let events = watcher(api, watcher::Config::default())
        .default_backoff()
        .reflect(writer);
    pin_mut!(events);
    let mut synced = false;
    while let Some(event) = events.next().await {
        event?;
        if !synced && store.len() >= objects {
            synced = true;
            println!("synced");
        }
    }
    Ok(())
}
