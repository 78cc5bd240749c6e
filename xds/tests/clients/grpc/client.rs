//! A client's process: it finds its server by xDS, and says how its calls ended.

use std::collections::BTreeMap;
use std::process::Stdio;

use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use super::resources::TARGET;
use crate::wait::until;

/// How some calls ended, each with how often.
#[derive(Debug, Default, PartialEq, serde::Deserialize)]
pub(crate) struct Calls {
    pub(crate) answers: BTreeMap<String, usize>,
    pub(crate) failures: BTreeMap<String, usize>,
}

/// The process.
pub(crate) struct Client {
    pipes: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    _process: Child,
    _folder: TempDir,
}

impl Client {
    /// Starts `command`, whose control planes are `planes`, as its bootstrap has them.
    pub(crate) fn start(command: Command, planes: &[String]) -> Self {
        let server = |plane: &String| {
            json!({
                "server_uri": plane,
                "channel_creds": [{"type": "insecure"}],
                "server_features": ["xds_v3"],
            })
        };
        let content = json!({
            "xds_servers": planes.iter().map(server).collect::<Vec<_>>(),
            // The client for Node.js wants a locality.
            "node": {"id": "grpc", "cluster": "test", "locality": {"zone": "here"}},
        });
        Self::start_from(command, &content.to_string())
    }

    /// Starts `command` with this bootstrap.
    pub(crate) fn start_from(mut command: Command, content: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let bootstrap = folder.path().join("bootstrap.json");
        std::fs::write(&bootstrap, content).unwrap();
        let mut process = command
            .arg(format!("xds:///{TARGET}"))
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

    pub(crate) async fn call(&self, times: usize) -> Calls {
        let (stdin, lines) = &mut *self.pipes.lock().await;
        let line = format!("{times}\n");
        stdin.write_all(line.as_bytes()).await.unwrap();
        let line = lines.next_line().await.unwrap();
        serde_json::from_str(&line.expect("the client lives")).unwrap()
    }

    /// Calls until these alone answer, and all of them, none of the calls failing on the way.
    pub(crate) async fn reaches(&self, names: &[&str]) {
        until("the answers", names.to_vec(), async || {
            let calls = self.call(20 * names.len()).await;
            assert!(calls.failures.is_empty(), "{calls:?}");
            let known = |answer: &String| names.iter().find(|name| *name == answer).copied();
            let all = calls.answers.keys().map(known);
            all.map(|name| name.unwrap_or("another")).collect()
        })
        .await;
    }

    /// Calls until the calls are spread evenly over `names`, none of them failing on the way.
    pub(crate) async fn is_spread_over(&self, names: &[&str]) {
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
    pub(crate) async fn drops(&self, percent: usize) {
        let (all, about) = (200, 20);
        until("the share of dropped calls", true, async || {
            let calls = self.call(all).await;
            let dropped: usize = calls.failures.values().sum();
            let mut told = calls.failures.keys().map(|told| told.to_lowercase());
            let is_drop = |told: String| told.starts_with("unavailable") && told.contains("drop");
            assert!(told.all(is_drop), "{calls:?}");
            (100 * dropped / all).abs_diff(percent) < about
        })
        .await;
    }
}
