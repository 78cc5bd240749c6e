//! The load: writers that write one after the other, as fast as they are answered or at a fixed rate.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::future::try_join_all;

use crate::cost::{Cost, Machine};
use crate::shop::Shop;

/// How many writers there are, each with an object of its own.
pub(crate) const WRITERS: usize = 32;

/// One write in so many is illegal.
const ILLEGAL: usize = 3;

/// What some writes took; times are sorted.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) took: Duration,
    pub(crate) legal: Vec<Duration>,
    pub(crate) illegal: Vec<Duration>,
    pub(crate) denied: usize,
    pub(crate) cost: Cost,
}

/// One write: whether it was illegal, whether it was denied, and what it took.
type Write = (bool, bool, Duration);

/// Writes as fast as the API server answers; every third write is illegal, whoever's turn it is.
pub(crate) async fn flat_out(machine: &Machine, shop: &Shop, writes: usize) -> Result<Run> {
    let next = AtomicUsize::new(0);
    let tasks = (0..WRITERS).map(|writer| {
        let next = &next;
        async move {
            let mut wrote = Vec::with_capacity(writes / WRITERS * 2);
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= writes {
                    return Ok(wrote);
                }
                let illegal = number.is_multiple_of(ILLEGAL);
                let asked = Instant::now();
                let denied = shop.write(writer, illegal).await?;
                wrote.push((illegal, denied, asked.elapsed()));
            }
        }
    });
    measured(machine, tasks).await
}

/// Writes so many a second, which is what many reporters do; every third of them writes nothing legal.
///
/// What a write takes counts from when it was due, so whoever waits for the write before waits visibly.
pub(crate) async fn at_rate(
    machine: &Machine,
    shop: &Shop,
    rate: f64,
    span: Duration,
) -> Result<Run> {
    let every = Duration::from_secs_f64(WRITERS as f64 / rate);
    let began = Instant::now();
    let writers = (0..WRITERS).map(|writer| async move {
        let illegal = writer.is_multiple_of(ILLEGAL);
        let mut due = began + every.mul_f64(writer as f64 / WRITERS as f64);
        let mut wrote = Vec::new();
        while due < began + span {
            tokio::time::sleep_until(due.into()).await;
            let denied = shop.write(writer, illegal).await?;
            wrote.push((illegal, denied, due.elapsed()));
            due += every;
        }
        Ok(wrote)
    });
    measured(machine, writers).await
}

async fn measured(
    machine: &Machine,
    writers: impl Iterator<Item = impl Future<Output = Result<Vec<Write>>>>,
) -> Result<Run> {
    let (began, before) = (Instant::now(), machine.cost()?);
    let wrote: Vec<Write> = try_join_all(writers).await?.into_iter().flatten().collect();
    let took = began.elapsed();
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
        cost: machine.cost()?.since(before),
    })
}

impl Run {
    /// Both together.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.took += other.took;
        self.denied += other.denied;
        self.cost = self.cost.and(other.cost);
        self.legal.extend(other.legal);
        self.legal.sort_unstable();
        self.illegal.extend(other.illegal);
        self.illegal.sort_unstable();
        self
    }

    /// Writes a second.
    pub(crate) fn rate(&self) -> f64 {
        self.writes() / self.took.as_secs_f64()
    }

    /// Prints it as a line of the table.
    pub(crate) fn print(&self, name: &str) {
        let [server, etcd, fusegate, writers] = self.cost.micros_each(self.writes());
        println!(
            "  {name:<12} {:>8.0} {:>8.2} ms {:>8.2} ms {:>8.2} ms {:>8} {server:>7.0} {etcd:>6.0} {fusegate:>6.0} {writers:>6.0}",
            self.rate(),
            millis(&self.legal, 50),
            millis(&self.legal, 99),
            millis(&self.illegal, 99),
            self.denied,
        );
    }

    fn writes(&self) -> f64 {
        (self.legal.len() + self.illegal.len()) as f64
    }
}

/// Prints the head of the table.
pub(crate) fn print_head() {
    println!(
        "  {:<12} {:>8} {:>11} {:>11} {:>11} {:>8} {:>7} {:>6} {:>6} {:>6}",
        "admission",
        "writes/s",
        "legal p50",
        "legal p99",
        "illegal p99",
        "denied",
        "server",
        "etcd",
        "fuse",
        "bench"
    );
}

fn millis(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0.0, |took| took.as_secs_f64() * 1e3)
}
