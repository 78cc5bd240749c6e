//! A wire between a client and a server, which can be cut.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// Carries every connection to the server; dropping it ends them all.
#[derive(Debug)]
pub(super) struct Wire {
    address: SocketAddr,
    cuts: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Wire {
    pub(super) async fn to(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (cuts, cut) = watch::channel(());
        Ok(Self {
            address: listener.local_addr()?,
            cuts,
            task: tokio::spawn(carry(listener, server, cut)),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks every connection that there is; new ones are carried.
    pub(super) fn cut(&self) {
        self.cuts.send_replace(());
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(listener: TcpListener, server: SocketAddr, cut: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let mut cut = cut.clone();
        cut.mark_unchanged();
        connections.spawn(async move {
            // Either end may go at any time, and a server that is down refuses: the client sees its connection end.
            if let Ok(mut server) = TcpStream::connect(server).await {
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut server) => {}
                    _ = cut.changed() => {}
                }
            }
        });
    }
}
