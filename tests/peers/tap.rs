//! A tap: it stands between Flagger and fusegate, passes on what both say, and times each call.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use tokio::{
    io::{AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::Instant,
};

/// What a tap stands on; it ends with the test's runtime.
pub(super) struct Tap {
    address: SocketAddr,
    calls: mpsc::UnboundedReceiver<Duration>,
    most: Arc<AtomicUsize>,
}

impl Tap {
    /// A tap before a server.
    pub(super) async fn before(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (ended, calls) = mpsc::unbounded_channel();
        let most = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&most);
        tokio::spawn(async move {
            let open = Arc::new(AtomicUsize::new(0));
            while let Ok((client, _)) = listener.accept().await {
                let begun = Instant::now();
                let (open, ended) = (Arc::clone(&open), ended.clone());
                seen.fetch_max(open.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                tokio::spawn(async move {
                    if pass_on(client, server).await.is_ok() {
                        // Nobody may be interested any more.
                        let _ = ended.send(begun.elapsed());
                    }
                    open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Ok(Self {
            address,
            calls,
            most,
        })
    }

    /// Where it listens.
    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// How long each call took, from its connection to the end of its answer.
    pub(super) fn calls(&mut self) -> Vec<Duration> {
        std::iter::from_fn(|| self.calls.try_recv().ok()).collect()
    }

    /// The most calls that were under way at once.
    pub(super) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }
}

/// Passes on until the server has ended its answer, which it does by ending the connection.
async fn pass_on(mut client: TcpStream, server: SocketAddr) -> Result<()> {
    let mut server = TcpStream::connect(server).await?;
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    tokio::select! {
        asked = copy(&mut from_client, &mut to_server) => {
            asked?;
            Err(anyhow::anyhow!("the client went first"))
        }
        answered = copy(&mut from_server, &mut to_client) => {
            answered.context("the answer")?;
            Ok(to_client.shutdown().await?)
        }
    }
}
