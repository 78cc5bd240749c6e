//! A control plane that gives Envoys their certificate: the listener out of a YAML file, the certificate out of PEM files.
//!
//! ```text
//! $ openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost -keyout key.pem -out certificate.pem
//! $ cargo run -p fusegate-xds --features json --example secrets -- certificate.pem key.pem
//! $ envoy -c xds/examples/secrets/envoy.yaml
//! ```
//!
//! Envoy then answers `https://127.0.0.1:10443/`.
//! Each line of the input, be it empty, reads the files again, and connections from then on see the new certificate; nothing restarts.
//!
//! The control plane itself must be reached over TLS, or over a socket that nobody else reads: the key goes over it.

mod resources;

use std::error::Error;
use std::io::stdin;
use std::path::Path;
use std::sync::Arc;

use fusegate_xds::{Config, Server, Store};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Where Envoys listen for requests.
const LISTENER: u16 = 10_443;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(certificate), Some(key)) = (arguments.next(), arguments.next()) else {
        return Err("which files? Give CERTIFICATE.pem KEY.pem".into());
    };
    let store = Arc::new(Store::new());
    store.publish_strictly(resources::listener(LISTENER)?)?;
    let server = Server::new(Arc::clone(&store), Config::default());
    let listener = TcpListener::bind("127.0.0.1:18000").await?;
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn({
        let shutdown = shutdown.clone();
        async move { server.serve(listener, shutdown).await }
    });
    let read = move || {
        loop {
            match resources::certificate(Path::new(&certificate), Path::new(&key)) {
                Ok(update) => println!("{} names changed", store.publish(update).changed),
                Err(problem) => eprintln!("the certificate stays as it is: {problem}"),
            }
            if !stdin()
                .read_line(&mut String::new())
                .is_ok_and(|bytes| bytes > 0)
            {
                return;
            }
        }
    };
    tokio::task::spawn_blocking(read).await?;
    shutdown.cancel();
    serving.await??;
    Ok(())
}
