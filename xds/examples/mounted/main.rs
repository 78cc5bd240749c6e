//! A control plane that is mounted beside other services, on a router and a transport of one's own: gRPC's health, and a token for everybody.
//!
//! ```text
//! $ TOKEN=secret cargo run -p fusegate-xds --example mounted
//! ```
//!
//! Clients without `authorization: Bearer secret` are turned away.
//! Envoy sends it with `initial_metadata` of its `grpc_services`.

mod service;

use std::error::Error;
use std::sync::Arc;

use fusegate_xds::{Config, Server, Store, Update, runtime};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let token = std::env::var("TOKEN").map_err(|_| "set TOKEN to what clients must have")?;
    let store = Arc::new(Store::new());
    store.publish(Update::new().put(runtime::layer("shop", [])));
    let server = Server::new(store, Config::default());
    let listener = TcpListener::bind("127.0.0.1:18000").await?;
    let shutdown = CancellationToken::new();
    tokio::spawn({
        let shutdown = shutdown.clone();
        async move {
            // An error means that there is no such signal, and that the process is ended otherwise.
            if tokio::signal::ctrl_c().await.is_ok() {
                shutdown.cancel();
            }
        }
    });
    service::serve(&server, &token, listener, shutdown).await?;
    Ok(())
}
