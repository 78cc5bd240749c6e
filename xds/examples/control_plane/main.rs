//! A control plane: HTTP services from standard input, to every Envoy that connects.
//!
//! ```text
//! $ cargo run -p fusegate-xds --example control_plane
//! shop 127.0.0.1:8001 127.0.0.1:8002
//! bank 127.0.0.1:8003
//! shop 127.0.0.1:8002
//! bank
//! ```
//!
//! A line is a service and where it runs; a service without an address is taken out.
//! Envoys started with `envoy.yaml` of this folder then answer `http://127.0.0.1:10000/shop/` from the service `shop`,
//! and no request fails while that changes.

mod mesh;

use std::error::Error;
use std::io::stdin;
use std::sync::Arc;

use fusegate_xds::protocol::{Rejection, Response};
use fusegate_xds::proxies::Proxy;
use fusegate_xds::{Config, Observer, Server, Store};
use mesh::Services;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Where Envoys listen for requests.
const LISTENER: u16 = 10_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = Arc::new(Store::new());
    let server = Server::observed(Arc::clone(&store), Config::default(), Arc::new(Log));
    let listener = TcpListener::bind("127.0.0.1:18000").await?;
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { server.serve(listener, shutdown).await }
    });
    tokio::task::spawn_blocking(move || read(&store)).await?;
    shutdown.cancel();
    serving.await??;
    Ok(())
}

/// Publishes the whole mesh after each line; only what the line changed is sent.
fn read(store: &Store) {
    let mut services = Services::new();
    for line in stdin().lines().map_while(Result::ok) {
        let mut words = line.split_whitespace().map(str::to_owned);
        let Some(name) = words.next() else {
            continue;
        };
        let addresses: Result<Vec<_>, _> = words.map(|address| address.parse()).collect();
        match addresses {
            Err(problem) => {
                eprintln!("not understood: {line}: {problem}; a line is `NAME ADDRESS:PORT…`");
                continue;
            }
            Ok(addresses) if addresses.is_empty() => services.remove(&name),
            Ok(addresses) => services.insert(name, addresses),
        };
        let published = store.publish(mesh::update(LISTENER, &services));
        println!("{} names changed", published.changed);
    }
}

/// Tells what becomes of what is published.
struct Log;

impl Observer for Log {
    fn acked(&self, proxy: &Proxy, response: &Response) {
        println!("{} has {}", proxy.node.id, response.type_url);
    }

    fn nacked(&self, proxy: &Proxy, response: &Response, rejection: &Rejection) {
        let (node, type_url) = (&proxy.node.id, &response.type_url);
        println!("{node} refuses {type_url}: {}", rejection.message);
    }
}
