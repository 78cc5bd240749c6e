//! A gRPC client with xDS support of its own, in Python: it balances over endpoints that change, and drops what it is told to.

mod resources;
mod upstream;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Stdio;

use fusegate_xds::{TypeUrl, Update};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use crate::plane::Plane;
use crate::proxy::installed;
use crate::wait::until;
use resources::{TARGET, endpoints, mesh};
use upstream::Upstream;

/// How some calls ended, each with how often.
#[derive(Debug, Default, PartialEq, serde::Deserialize)]
struct Calls {
    answers: BTreeMap<String, usize>,
    failures: BTreeMap<String, usize>,
}

/// The client's process.
struct Client {
    pipes: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    _process: Child,
    _folder: TempDir,
}

impl Client {
    fn start(plane: SocketAddr) -> Self {
        let folder = TempDir::new().unwrap();
        let bootstrap = folder.path().join("bootstrap.json");
        let content = json!({
            "xds_servers": [{
                "server_uri": plane.to_string(),
                "channel_creds": [{"type": "insecure"}],
                "server_features": ["xds_v3"],
            }],
            "node": {"id": "grpc", "cluster": "test"},
        });
        std::fs::write(&bootstrap, content.to_string()).unwrap();
        let mut process = Command::new(installed("FUSEGATE_GRPCIO", "grpcio"))
            .args([
                "-c",
                include_str!("grpc/client.py"),
                &format!("xds:///{TARGET}"),
            ])
            .env("GRPC_XDS_BOOTSTRAP", &bootstrap)
            .env("GRPC_VERBOSITY", "NONE")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let pipes = Mutex::new((process.stdin.take().unwrap(), lines));
        Self {
            pipes,
            _process: process,
            _folder: folder,
        }
    }

    async fn call(&self, times: usize) -> Calls {
        let (stdin, lines) = &mut *self.pipes.lock().await;
        let line = format!("{times}\n");
        stdin.write_all(line.as_bytes()).await.unwrap();
        let line = lines.next_line().await.unwrap();
        serde_json::from_str(&line.expect("the client lives")).unwrap()
    }

    /// Calls until the calls are spread evenly over `names`, none of them failing on the way.
    async fn is_spread_over(&self, names: &[&str]) {
        let each = names.iter().map(|name| ((*name).to_owned(), 10));
        let expected = Calls {
            answers: each.collect(),
            failures: BTreeMap::new(),
        };
        until("calls spread evenly", expected, async || {
            let calls = self.call(10 * names.len()).await;
            assert!(calls.failures.is_empty(), "{calls:?}");
            calls
        })
        .await;
    }

    /// Calls until about `percent` of the calls are dropped, each for the reason that it is to be.
    async fn drops(&self, percent: usize) {
        let (all, about) = (200, 20);
        until("the share of dropped calls", true, async || {
            let calls = self.call(all).await;
            let dropped: usize = calls.failures.values().sum();
            let told = calls.failures.keys();
            assert!(
                told.clone()
                    .all(|told| told.starts_with("UNAVAILABLE") && told.contains("drop")),
                "{calls:?}"
            );
            (100 * dropped / all).abs_diff(percent) < about
        })
        .await;
    }
}

#[tokio::test]
async fn a_grpc_client_follows_endpoints_and_drops_as_told() {
    let mut plane = Plane::start().await;
    let (one, two) = (Upstream::start("one").await, Upstream::start("two").await);
    let (one, two) = (one.address, two.address);
    let more = Upstream::start("three").await;
    let three = more.address;
    plane.store.publish(mesh().put(endpoints(&[one, two], &[])));
    let client = Client::start(plane.address);
    client.is_spread_over(&["one", "two"]).await;
    plane.taken(&TypeUrl::LISTENER, TARGET).await;
    for (upstreams, names) in [
        (vec![one, two, three], vec!["one", "three", "two"]),
        (vec![two, three], vec!["three", "two"]),
        (vec![two], vec!["two"]),
        (vec![one, two], vec!["one", "two"]),
    ] {
        plane
            .store
            .publish(Update::new().put(endpoints(&upstreams, &[])));
        client.is_spread_over(&names).await;
        plane.taken(&TypeUrl::ENDPOINT, "shop").await;
    }
    let store = plane.published_anew();
    plane = plane.restart(store).await;
    until("the client is back", false, async || {
        plane.server.proxies().is_empty()
    })
    .await;
    client.is_spread_over(&["one", "two"]).await;
    for (drops, percent) in [
        (vec![("shed", 50)], 50),
        // Each category is drawn of its own, from what the one before it has left.
        (vec![("shed", 50), ("throttled", 50)], 75),
        (vec![("shed", 100)], 100),
    ] {
        plane
            .store
            .publish(Update::new().put(endpoints(&[one, two], &drops)));
        client.drops(percent).await;
    }
    plane
        .store
        .publish(Update::new().put(endpoints(&[one, two], &[])));
    client.drops(0).await;
    client.is_spread_over(&["one", "two"]).await;
    assert_eq!(plane.refusal(&TypeUrl::ENDPOINT), None);
}
