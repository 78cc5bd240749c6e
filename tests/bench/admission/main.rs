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

mod reviews;
mod shop;

use std::env;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::support::fusegate::{Fusegate, FusegateConfig};
use harness::support::servers::apiserver::ApiServer;
use harness::support::servers::ports;
use shop::Shop;

/// How many writes a way of admission gets, unless `FUSEGATE_WRITES` says otherwise.
const WRITES: usize = 100_000;

/// How many writers there are.
const WRITERS: usize = 32;

/// One write in so many is illegal.
const ILLEGAL: usize = 3;

/// Writes before those that count.
const WARM_UP: usize = 640;

/// The ways, by what a contract says; the first and the last are the same, so that a drift of the machine shows.
const WAYS: [(&str, &str, &str); 4] = [
    ("off", "Off", "Webhook"),
    ("by policy", "Deny", "Policy"),
    ("by webhook", "Deny", "Webhook"),
    ("off again", "Off", "Webhook"),
];

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
    let _fusegate = launch(&api).await?;
    println!("{writes} status writes of ten keys each, a third illegal, from {WRITERS} writers:");
    println!(
        "  {:<12} {:>10} {:>10} {:>10} {:>12} {:>10}",
        "admission", "writes/s", "legal p50", "legal p99", "illegal p99", "denied"
    );
    for (name, mode, by) in WAYS {
        shop.ask(mode, by).await?;
        run(&shop, WARM_UP).await?;
        let run = run(&shop, writes).await?;
        let denies = mode == "Deny";
        ensure!(
            run.denied == if denies { run.illegal.len() } else { 0 },
            "{} of {} illegal writes were denied {name}",
            run.denied,
            run.illegal.len()
        );
        run.print(name);
    }
    Ok(())
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

/// What some writes took.
struct Run {
    took: Duration,
    legal: Vec<Duration>,
    illegal: Vec<Duration>,
    denied: usize,
}

async fn run(shop: &Shop, writes: usize) -> Result<Run> {
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    let tasks = (0..WRITERS).map(|writer| {
        let next = &next;
        async move {
            let mut wrote = Vec::with_capacity(writes / WRITERS * 2);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= writes {
                    return anyhow::Ok(wrote);
                }
                let illegal = number.is_multiple_of(ILLEGAL);
                let asked = Instant::now();
                let denied = shop.write(writer, illegal).await?;
                wrote.push((illegal, denied, asked.elapsed()));
            }
        }
    });
    let wrote = futures::future::try_join_all(tasks).await?;
    let took = began.elapsed();
    let wrote: Vec<_> = wrote.into_iter().flatten().collect();
    let of = |wanted: bool| {
        let times = wrote.iter().filter(|(illegal, ..)| *illegal == wanted);
        let mut times: Vec<Duration> = times.map(|(.., took)| *took).collect();
        times.sort_unstable();
        times
    };
    Ok(Run {
        took,
        legal: of(false),
        illegal: of(true),
        denied: wrote.iter().filter(|(_, denied, _)| *denied).count(),
    })
}

impl Run {
    fn print(&self, name: &str) {
        let writes = (self.legal.len() + self.illegal.len()) as f64;
        println!(
            "  {name:<12} {:>10.0} {:>7.2} ms {:>7.2} ms {:>9.2} ms {:>10}",
            writes / self.took.as_secs_f64(),
            millis(&self.legal, 50),
            millis(&self.legal, 99),
            millis(&self.illegal, 99),
            self.denied
        );
    }
}

fn millis(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |took| took.as_secs_f64() * 1e3)
}
