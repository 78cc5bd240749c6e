//! Admission: what it costs those who write: status writes against a real API server, a third of them illegal, from 32 writers, with
//! admission off, by policy and by webhook in one run; and one review in process.

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

mod cost;
mod load;
mod reviews;
mod shop;

use std::env;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cost::Machine;
use harness::support::fusegate::{Fusegate, FusegateConfig};
use harness::support::servers::apiserver::ApiServer;
use harness::support::servers::ports;
use load::{Run, WRITERS, at_rate, flat_out, print_head};
use shop::Shop;

/// How many writes a way of admission gets, unless `FUSEGATE_WRITES` says otherwise.
const WRITES: usize = 100_000;

/// The ways, by what a contract says.
const WAYS: [(&str, &str, &str); 3] = [
    ("off", "Off", "Webhook"),
    ("by policy", "Deny", "Policy"),
    ("by webhook", "Deny", "Webhook"),
];

/// How often the ways follow one another, so that a drift of the machine meets all of them.
const ROUNDS: usize = 5;

/// How long writers write at a fixed rate, in each round.
const SPAN: Duration = Duration::from_secs(10);

/// The fixed rates, in percent of the most that are possible without admission.
const RATES: [f64; 2] = [80.0, 100.0];

#[tokio::main]
async fn main() -> Result<()> {
    reviews::measure()?;
    let writes = match env::var("FUSEGATE_WRITES") {
        Ok(writes) => writes.parse().context("FUSEGATE_WRITES")?,
        Err(_) => WRITES,
    };
    println!("starting etcd, kube-apiserver and fusegate");
    let api = ApiServer::start().await?;
    let shop = Shop::open(api.client().await?, WRITERS).await?;
    let fusegate = launch(&api).await?;
    let machine = Machine { api, fusegate };
    println!("{writes} status writes of ten keys each, a third illegal, from {WRITERS} writers:");
    let writes = writes / ROUNDS;
    let runs = rounds(&shop, async || flat_out(&machine, &shop, writes).await).await?;
    let most = runs[0].rate();
    for percent in RATES {
        let rate = most * percent / 100.0;
        println!("{rate:.0} writes a second, {percent} % of the most without admission:");
        rounds(&shop, async || at_rate(&machine, &shop, rate, SPAN).await).await?;
    }
    Ok(())
}

/// Runs each way in each round, and prints what they came to.
async fn rounds(shop: &Shop, mut run: impl AsyncFnMut() -> Result<Run>) -> Result<[Run; 3]> {
    let mut runs = <[Run; 3]>::default();
    for _ in 0..ROUNDS {
        for ((_, mode, by), total) in WAYS.iter().zip(&mut runs) {
            shop.ask(mode, by).await?;
            let run = run().await?;
            let expected = if *mode == "Deny" {
                run.illegal.len()
            } else {
                0
            };
            ensure!(
                run.denied == expected,
                "{} of {} illegal writes were denied in mode {mode} by {by}",
                run.denied,
                run.illegal.len()
            );
            *total = std::mem::take(total).and(run);
        }
    }
    print_head();
    for ((name, ..), run) in WAYS.iter().zip(&runs) {
        run.print(name);
    }
    Ok(runs)
}

async fn launch(api: &ApiServer) -> Result<Fusegate> {
    let webhook = ports::loopback(ports::free()?);
    let args = [
        "--source=kube".to_owned(),
        format!("--kubeconfig={}", api.kubeconfig_path().display()),
        "--namespace=fusegate-system".to_owned(),
        "--replica=one".to_owned(),
        format!("--webhook-listen={webhook}"),
        format!("--webhook-url=https://{webhook}"),
        "--audit=/dev/null".to_owned(),
    ];
    Fusegate::start(FusegateConfig::args(args).unrecorded()).await
}
