//! A control plane in fifty lines: runtime layers from standard input, one change a line.
//!
//! ```text
//! $ cargo run -p fusegate-xds --example layers
//! shop upstream.maintenance_mode.checkout=100
//! shop upstream.maintenance_mode.checkout=
//! ```
//!
//! An Envoy whose bootstrap has an `rtds_layer` called `shop`, by ADS from port 18000, sheds the cluster `checkout` and serves it again.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::stdin;
use std::sync::Arc;

use fusegate_xds::runtime;
use fusegate_xds::{Config, RuntimeValue, Server, Store, Update};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = Arc::new(Store::new());
    let server = Server::new(Arc::clone(&store), Config::default());
    let listener = TcpListener::bind("127.0.0.1:18000").await?;
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn({
        let (server, shutdown) = (server.clone(), shutdown.clone());
        async move { server.serve(listener, shutdown).await }
    });
    tokio::task::spawn_blocking(move || read(&store, &server)).await?;
    shutdown.cancel();
    serving.await??;
    Ok(())
}

/// Publishes what each line says, until the input ends.
fn read(store: &Store, server: &Server) {
    let mut layers: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    for line in stdin().lines().map_while(Result::ok) {
        let Some((name, (key, value))) = line
            .split_once(' ')
            .and_then(|(name, rest)| Some((name, rest.split_once('=')?)))
        else {
            eprintln!(
                "not understood: {line}; a line is `LAYER KEY=NUMBER`, or `LAYER KEY=` to take the key out"
            );
            continue;
        };
        let keys = layers.entry(name.to_owned()).or_default();
        match value.parse() {
            Ok(number) => keys.insert(key.to_owned(), number),
            Err(_) => keys.remove(key),
        };
        let fields = keys
            .iter()
            .map(|(key, number)| (key.as_str(), RuntimeValue::Number(*number)));
        let published = store.publish(Update::new().put(runtime::layer(name, fields)));
        println!(
            "publication {} for {} streams",
            published.sequence,
            server.proxies().len()
        );
    }
}
