//! A wire between a client and a server, which can be cut, silenced, slowed down, and held in one direction.

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use crate::support::wait::pace;

/// How much is carried at once.
const CHUNK: usize = 16 * 1_024;
/// How much a slow wire carries at once, and the pause after it: some kilobytes a second.
const SLOW_CHUNK: usize = 64;
const SLOW_PAUSE: Duration = Duration::from_millis(20);

/// How the wire is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Mood {
    /// Nobody gets through, either way.
    severed: bool,
    kept: Kept,
    /// What the server sends comes in drops.
    slow: bool,
}

/// What waits while all connections stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kept {
    #[default]
    Nothing,
    /// Requests wait, and what the server sends is carried.
    Requests,
    Everything,
}

/// Carries every connection to the server; dropping it ends them all.
#[derive(Debug)]
pub(super) struct Wire {
    address: SocketAddr,
    cuts: watch::Sender<()>,
    mood: watch::Sender<Mood>,
    task: JoinHandle<()>,
}

impl Wire {
    pub(super) async fn to(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (cuts, cut) = watch::channel(());
        let (mood, moods) = watch::channel(Mood::default());
        Ok(Self {
            address: listener.local_addr()?,
            cuts,
            mood,
            task: tokio::spawn(carry(listener, server, cut, moods)),
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks every connection that there is; new ones are carried.
    pub(super) fn cut(&self) {
        self.cuts.send_replace(());
    }

    /// Breaks every connection and carries none from now on, or carries them again.
    pub(super) fn sever(&self, severed: bool) {
        self.mood.send_modify(|mood| mood.severed = severed);
        self.cut();
    }

    /// Carries nothing from now on while all connections stand, or carries everything again.
    pub(super) fn silence(&self, silent: bool) {
        self.keep(Kept::Everything, silent);
    }

    /// Keeps back whatever the client sends from now on, or lets it go again; what the server sends is carried.
    pub(super) fn hold_requests(&self, held: bool) {
        self.keep(Kept::Requests, held);
    }

    fn keep(&self, what: Kept, keeps: bool) {
        let kept = if keeps { what } else { Kept::Nothing };
        self.mood.send_modify(|mood| mood.kept = kept);
    }

    /// Carries what the server sends a little at a time, or as fast as it comes again.
    pub(super) fn slow_down(&self, slow: bool) {
        self.mood.send_modify(|mood| mood.slow = slow);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    listener: TcpListener,
    server: SocketAddr,
    cut: watch::Receiver<()>,
    moods: watch::Receiver<Mood>,
) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        if moods.borrow().severed {
            continue;
        }
        let (mut cut, moods) = (cut.clone(), moods.clone());
        cut.mark_unchanged();
        connections.spawn(async move {
            // Either end may go at any time, and a server that is down refuses: the client sees its connection end.
            let Ok(server) = TcpStream::connect(server).await else {
                return;
            };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::select! {
                _ = requests(from_client, to_server, moods.clone()) => {}
                _ = answers(from_server, to_client, moods) => {}
                _ = cut.changed() => {}
            }
        });
    }
}

async fn requests(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut moods: watch::Receiver<Mood>,
) -> Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = from.read(&mut chunk).await?;
        if count == 0 {
            return Ok(());
        }
        moods.wait_for(|mood| mood.kept == Kept::Nothing).await?;
        to.write_all(&chunk[..count]).await?;
    }
}

async fn answers(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut moods: watch::Receiver<Mood>,
) -> Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let slow = moods.borrow().slow;
        let room = if slow { SLOW_CHUNK } else { CHUNK };
        let count = from.read(&mut chunk[..room]).await?;
        if count == 0 {
            return Ok(());
        }
        moods.wait_for(|mood| mood.kept != Kept::Everything).await?;
        to.write_all(&chunk[..count]).await?;
        if slow {
            pace(SLOW_PAUSE).await;
        }
    }
}
