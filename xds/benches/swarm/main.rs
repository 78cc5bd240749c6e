//! A swarm of real clients, a TCP connection each, in a process of their own.
//!
//! `cargo bench -p fusegate-xds --bench swarm -- [STREAMS [ROUNDS]]`
//!
//! It prints, for SotW and for delta: how long it takes to connect all, how long from a publication to its last arrival,
//! the server's CPU time for each message, and its memory for each stream.

// A benchmark fails by panicking, and there is no clock but the system's to measure with.
#![allow(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unchecked_time_subtraction,
    clippy::unwrap_used
)]

mod clients;
mod usage;

use std::env;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fusegate_xds::runtime::{self, RuntimeValue};
use fusegate_xds::{Config, Server, Store, TypeUrl, Update};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio_util::sync::CancellationToken;

/// How many keys a layer has: a busy namespace's circuits.
const KEYS: usize = 20;
/// Resources that nobody subscribes to.
const OTHERS: usize = 100_000;

fn main() {
    let arguments: Vec<String> = env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if arguments.first().is_some_and(|first| first == "clients") {
        runtime.block_on(clients::run(&arguments));
        return;
    }
    let number = |index: usize, default| {
        arguments
            .get(index)
            .map_or(default, |text| text.parse().unwrap())
    };
    let (streams, rounds) = (number(0, 1_000), number(1, 50));
    for variant in ["sotw", "delta"] {
        runtime.block_on(measure(variant, streams, rounds));
    }
}

async fn measure(variant: &str, streams: usize, rounds: usize) {
    let store = Arc::new(Store::new());
    let server = Server::new(Arc::clone(&store), Config::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn({
        let (server, shutdown) = (server.clone(), shutdown.clone());
        async move { server.serve(listener, shutdown).await }
    });
    store.publish(layer(0));
    let before = usage::resident_bytes();
    let begin = Instant::now();
    let mut swarm = Swarm::start(&[variant, &address, &streams.to_string()]);
    swarm.arrived().await;
    println!(
        "{variant}: {streams} streams connected in {:?}",
        begin.elapsed()
    );
    let memory = usage::resident_bytes().saturating_sub(before) / streams;
    println!("{variant}: {:.1} KiB of memory per stream", kib(memory));
    let cpu = usage::cpu_time();
    let mut times: Vec<Duration> = Vec::with_capacity(rounds);
    for round in 1..=rounds {
        let begin = Instant::now();
        store.publish(layer(round));
        swarm.arrived().await;
        times.push(begin.elapsed());
    }
    let messages = u32::try_from(rounds * streams).unwrap();
    println!(
        "{variant}: {:?} of server CPU per message",
        (usage::cpu_time() - cpu) / messages
    );
    times.sort();
    println!(
        "{variant}: publish to last arrival p50 {:?}, max {:?}",
        times[rounds / 2],
        times[rounds - 1]
    );
    beside(&store);
    swarm.stop().await;
    shutdown.cancel();
    serving.await.unwrap().unwrap();
}

/// One change among many resources that none of the streams subscribes to.
fn beside(store: &Store) {
    let other = |name: usize, value: usize| {
        runtime::layer(
            &format!("other-{name}"),
            [("key", RuntimeValue::Number(value as f64))],
        )
    };
    let many = (0..OTHERS).fold(Update::new(), |update, name| update.put(other(name, 0)));
    store.publish(many);
    let changes = 2_000;
    let prepared: Vec<Update> = (1..=changes)
        .map(|value| Update::new().put(other(value * 37 % OTHERS, value)))
        .collect();
    let cpu = usage::cpu_time();
    let begin = Instant::now();
    for update in prepared {
        store.publish(update);
    }
    let (wall, cpu) = (begin.elapsed(), usage::cpu_time() - cpu);
    let each = wall / u32::try_from(changes).unwrap();
    println!(
        "beside: one of {OTHERS} published in {each:?}; {wall:?} for {changes}, in which the process used {cpu:?} of CPU"
    );
    store.publish((0..OTHERS).fold(Update::new(), |update, name| {
        update.remove(TypeUrl::RUNTIME, &format!("other-{name}"))
    }));
}

fn layer(round: usize) -> Update {
    let keys: Vec<String> = (0..KEYS)
        .map(|key| format!("upstream.maintenance_mode.shop-cluster-{key}"))
        .collect();
    let values = keys
        .iter()
        .map(|key| (key.as_str(), RuntimeValue::Number(round as f64)));
    Update::new().put(runtime::layer("shop", values))
}

fn kib(bytes: usize) -> f64 {
    bytes as f64 / 1_024.0
}

/// The clients' process; it writes a line whenever all of its streams have got a response.
struct Swarm {
    process: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Swarm {
    fn start(arguments: &[&str]) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .arg("clients")
            .args(arguments)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let stdin = process.stdin.take().unwrap();
        Self {
            process,
            stdin,
            lines,
        }
    }

    async fn arrived(&mut self) {
        self.lines
            .next_line()
            .await
            .unwrap()
            .expect("the clients live");
    }

    async fn stop(mut self) {
        self.stdin.shutdown().await.unwrap();
        drop(self.stdin);
        self.process.wait().await.unwrap();
    }
}
