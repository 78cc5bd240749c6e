//! The figures: what is measured, and how it is told.

use std::time::{Duration, Instant};

use crate::process::{Process, Program};
use crate::usage;

/// How long a server has to come to rest.
const SETTLE: Duration = Duration::from_secs(1);
/// How long it has to give back what its clients took; allocators keep it for some seconds, for the next to come.
const RELEASE: Duration = Duration::from_secs(15);

/// Between two changes: long enough that the server does not merge the second with others to come.
const PAUSE: Duration = Duration::from_millis(25);

/// How much is measured.
pub(crate) struct Size {
    pub(crate) fan_out: [usize; 2],
    pub(crate) rounds: usize,
    pub(crate) storm: usize,
    /// Resources that nobody subscribes to, and how many of them are changed at most, one by one.
    others: usize,
    changes: u64,
    healthy: usize,
}

impl Size {
    pub(crate) fn whole() -> Self {
        Self {
            fan_out: [1_000, 4_000],
            rounds: 50,
            storm: 5_000,
            others: 100_000,
            changes: 20_000,
            healthy: 100,
        }
    }

    /// Every variant with every number of streams.
    pub(crate) fn swarms(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let each = self.fan_out;
        ["sotw", "delta"]
            .into_iter()
            .flat_map(move |variant| each.map(|streams| (variant, streams)))
    }

    pub(crate) fn named(name: &str) -> Self {
        match name {
            "whole" => Self::whole(),
            "small" => Self {
                fan_out: [50, 100],
                rounds: 20,
                storm: 200,
                others: 10_000,
                changes: 5_000,
                healthy: 20,
            },
            _ => panic!("no size {name}; there are whole and small"),
        }
    }
}

/// A server with what everybody subscribes to.
async fn serve(program: &Program) -> (Process, String) {
    let mut server = program.start();
    let address = server.line().await;
    server.ask("publish 0").await;
    (server, address)
}

/// The clients, all of which have their first response, and what they say of getting it.
async fn swarm(kind: &str, address: &str, streams: usize) -> (Process, String) {
    let own = std::env::current_exe().unwrap().display().to_string();
    let streams = streams.to_string();
    let command = [&own, "clients", kind, address, &streams].map(str::to_owned);
    let mut clients = Process::start(&command);
    let told = clients.line().await;
    (clients, told)
}

/// From the order to publish to its last arrival, round by round.
async fn rounds(
    server: &mut Process,
    clients: &mut Process,
    rounds: usize,
) -> (Vec<Duration>, Vec<Duration>) {
    let (mut arrivals, mut publishes) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        tokio::time::sleep(PAUSE).await;
        let begin = Instant::now();
        server.tell(&format!("publish {round}")).await;
        clients.line().await;
        arrivals.push(begin.elapsed());
        let nanoseconds = server.line().await.parse().unwrap();
        publishes.push(Duration::from_nanos(nanoseconds));
    }
    (arrivals, publishes)
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    format!("p50 {:.1?}, p99 {:.1?}", at(50), at(99))
}

fn kib(bytes: usize) -> f64 {
    bytes as f64 / 1_024.0
}

/// One change to all streams.
pub(crate) async fn fan_out(program: &Program, variant: &str, streams: usize, times: usize) {
    let (mut server, address) = serve(program).await;
    let (floor, begin) = (usage::resident_bytes(server.id()), Instant::now());
    let (mut clients, told) = swarm(&format!("{variant} few"), &address, streams).await;
    let connected = begin.elapsed();
    let memory =
        |server: &Process| usage::resident_bytes(server.id()).saturating_sub(floor) / streams;
    let at_first = memory(&server);
    let cpu = usage::cpu_time(server.id());
    let (arrivals, publishes) = rounds(&mut server, &mut clients, times).await;
    let messages = u32::try_from(times * streams).unwrap();
    let cpu = (usage::cpu_time(server.id()) - cpu) / messages;
    println!(
        "{variant}, {streams} streams: publish to last arrival {}; the call itself {}; CPU {cpu:.1?} per message; {:.1} KiB per stream, {:.1} after that; connected in {connected:.1?} ({told})",
        percentiles(arrivals),
        percentiles(publishes),
        kib(at_first),
        kib(memory(&server)),
    );
    clients.stop().await;
    server.stop().await;
}

/// All clients at once, and all away again; and once more, for what a server keeps of the first storm it need not keep of a second.
pub(crate) async fn storm(program: &Program, streams: usize) {
    let (mut server, address) = serve(program).await;
    let mut resident = vec![usage::resident_bytes(server.id())];
    for storm in ["first", "second"] {
        let (begin, cpu) = (Instant::now(), usage::cpu_time(server.id()));
        let (clients, told) = swarm("delta all", &address, streams).await;
        let (connected, cpu) = (begin.elapsed(), usage::cpu_time(server.id()) - cpu);
        println!(
            "{storm} storm of {streams}: all have their first configuration after {connected:.1?} ({told}), CPU {cpu:.1?}"
        );
        resident.push(usage::resident_bytes(server.id()));
        clients.stop().await;
        // Allocators look at what they keep when they are used.
        for round in 1..=RELEASE.as_secs() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            server.ask(&format!("publish {round}")).await;
        }
        resident.push(usage::resident_bytes(server.id()));
    }
    let resident: Vec<String> = resident
        .into_iter()
        .map(|bytes| format!("{:.0}", kib(bytes)))
        .collect();
    println!(
        "KiB resident before, during and after the storms: {}",
        resident.join(", ")
    );
    server.stop().await;
}

/// Changes of what none of the streams subscribes to.
pub(crate) async fn beside(program: &Program, size: &Size) {
    let (mut server, address) = serve(program).await;
    let reset = format!("others {}", size.others);
    server.ask(&reset).await;
    let probe: u64 = server.ask("beside 1").await.parse().unwrap();
    // About a second's worth of it, so that Linux counts enough of its ticks.
    let changes = (1_000_000_000 / probe.max(1)).clamp(10, size.changes);
    let command = format!("beside {changes}");
    let changes = u32::try_from(changes).unwrap();
    let mut spent = Vec::new();
    let mut took = Duration::ZERO;
    let mut clients = None;
    for streams in [0, size.healthy] {
        if streams > 0 {
            clients = Some(swarm("delta few", &address, streams).await.0);
        }
        // Back to where it began, so that each change is one.
        server.ask(&reset).await;
        tokio::time::sleep(SETTLE).await;
        let cpu = usage::cpu_time(server.id());
        let nanoseconds: u64 = server.ask(&command).await.parse().unwrap();
        took = Duration::from_nanos(nanoseconds) / changes;
        // What the streams still do of it is theirs.
        tokio::time::sleep(Duration::from_millis(500)).await;
        spent.push((usage::cpu_time(server.id()) - cpu) / changes);
    }
    println!(
        "one of {} changed, {changes} times, {} streams subscribe to something else: published in {took:.1?}; CPU {:.1?} with them, {:.1?} without them",
        size.others, size.healthy, spent[1], spent[0],
    );
    if let Some(clients) = clients {
        clients.stop().await;
    }
    server.stop().await;
}

/// Healthy clients, alone and beside as many that read nothing.
pub(crate) async fn stalled(program: &Program, size: &Size) {
    for stalled in [0, size.healthy] {
        let (mut server, address) = serve(program).await;
        let mut idle = None;
        if stalled > 0 {
            idle = Some(swarm("stalled few", &address, stalled).await.0);
        }
        let (mut clients, _) = swarm("delta few", &address, size.healthy).await;
        let (arrivals, _) = rounds(&mut server, &mut clients, size.rounds * 4).await;
        println!(
            "{} healthy streams beside {stalled} stalled ones: publish to last arrival {}; resident {:.0} KiB",
            size.healthy,
            percentiles(arrivals),
            kib(usage::resident_bytes(server.id())),
        );
        clients.stop().await;
        if let Some(idle) = idle {
            idle.stop().await;
        }
        server.stop().await;
    }
}
