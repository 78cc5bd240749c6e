//! A control plane of gRPC clients: services from standard input, to every client that looks for `xds:///NAME`.
//!
//! ```text
//! $ cargo run -p fusegate-xds --example grpc_clients
//! shop 127.0.0.1:50051 127.0.0.1:50052
//! bank 127.0.0.1:50053
//! shop 127.0.0.1:50052
//! bank
//! ```
//!
//! A line is a service and where it runs; a service without an address is taken out.
//! A gRPC client that is started with `GRPC_XDS_BOOTSTRAP=xds/examples/grpc_clients/bootstrap.json`
//! and dials `xds:///shop` then balances its calls over the addresses of the service `shop`.

mod services;

use std::error::Error;
use std::io::stdin;
use std::sync::Arc;

use fusegate_xds::{Config, Server, Store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = Arc::new(Store::new());
    let server = Server::new(Arc::clone(&store), Config::default());
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

/// Publishes what each line says, until the input ends.
fn read(store: &Store) {
    for line in stdin().lines().map_while(Result::ok) {
        let mut words = line.split_whitespace();
        let Some(name) = words.next() else {
            continue;
        };
        let addresses: Result<Vec<_>, _> = words.map(str::parse).collect();
        let update = match addresses {
            Ok(addresses) if addresses.is_empty() => services::without(name),
            Ok(addresses) => services::with(name, &addresses),
            Err(problem) => {
                eprintln!("not understood: {line}: {problem}; a line is `NAME ADDRESS:PORT…`");
                continue;
            }
        };
        match store.publish_strictly(update) {
            Ok(published) => println!("{} names changed", published.changed),
            Err(problem) => eprintln!("{problem}"),
        }
    }
}
