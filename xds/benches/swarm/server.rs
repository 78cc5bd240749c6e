//! The server: it says where it listens, publishes what it is told to, and answers with the nanoseconds that took.

use std::io::stdin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fusegate_xds::runtime::{self, RuntimeValue};
use fusegate_xds::{Config, Resource, Server, Store, Update};
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

/// How many keys the layer has that everybody subscribes to: a busy namespace's circuits.
const KEYS: usize = 20;

/// The kernel's default for `net.core.somaxconn`.
const QUEUE: u32 = 4_096;

pub(crate) async fn run() {
    let store = Arc::new(Store::new());
    let server = Server::new(Arc::clone(&store), Config::default());
    let listener = listen();
    println!("{}", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { server.serve(listener, shutdown).await }
    });
    let obeying = tokio::task::spawn_blocking(move || {
        let mut others = 0;
        for line in stdin().lines().map_while(Result::ok) {
            let took = obey(&store, &line, &mut others);
            println!("{}", took.as_nanos());
        }
    });
    obeying.await.unwrap();
    serving.abort();
}

/// A listener with as long a queue as the kernel allows: past it, clients that come at once are reset.
pub(crate) fn listen() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    socket.listen(QUEUE).unwrap()
}

fn obey(store: &Store, line: &str, others: &mut usize) -> Duration {
    let (command, number) = line.split_once(' ').unwrap();
    let number: usize = number.parse().unwrap();
    match command {
        "publish" => {
            let begin = Instant::now();
            store.publish(Update::new().put(shop(number)));
            begin.elapsed()
        }
        "others" => {
            *others = number;
            let many = (0..number).fold(Update::new(), |update, name| update.put(other(name, 0)));
            let begin = Instant::now();
            store.publish(many);
            begin.elapsed()
        }
        "beside" => {
            let begin = Instant::now();
            for value in 1..=number {
                store.publish(Update::new().put(other(value * 37 % *others, value)));
            }
            begin.elapsed()
        }
        _ => panic!("unknown command {command}"),
    }
}

fn shop(round: usize) -> Resource {
    let keys: Vec<String> = (0..KEYS)
        .map(|key| format!("upstream.maintenance_mode.shop-cluster-{key}"))
        .collect();
    let values = keys
        .iter()
        .map(|key| (key.as_str(), RuntimeValue::Number(round as f64)));
    runtime::layer("shop", values)
}

/// A resource that none of the streams subscribes to.
fn other(name: usize, value: usize) -> Resource {
    let values = [("key", RuntimeValue::Number(value as f64))];
    runtime::layer(&format!("other-{name}"), values)
}
