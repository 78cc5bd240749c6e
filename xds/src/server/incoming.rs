//! The incoming connections: accepted, made ready, and encrypted where that is wanted.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{Stream, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::server::{Connected, TcpConnectInfo};

use super::tls::Tls;

/// How long a client may take over its part of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How many handshakes are under way at once; further clients wait in the listener's queue.
const HANDSHAKES: usize = 256;

/// A connection.
pub(super) enum Connection {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

/// The connections to `listener`; a client that fails its handshake is left out.
pub(super) fn connections(
    listener: TcpListener,
    tls: Option<Tls>,
) -> impl Stream<Item = io::Result<Connection>> {
    TcpListenerStream::new(listener)
        .map(move |accepted| handshake(accepted, tls.clone()))
        .buffer_unordered(HANDSHAKES)
        .filter_map(std::future::ready)
}

async fn handshake(
    accepted: io::Result<TcpStream>,
    tls: Option<Tls>,
) -> Option<io::Result<Connection>> {
    let stream = match accepted {
        Ok(stream) => stream,
        Err(error) => return Some(Err(error)),
    };
    // A response is small and must not wait for the next one; a client that has hung up already will be noticed later.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return Some(Ok(Connection::Plain(stream)));
    };
    let peer = stream.peer_addr().ok();
    match tokio::time::timeout(HANDSHAKE, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => Some(Ok(Connection::Encrypted(Box::new(stream)))),
        Ok(Err(error)) => {
            tracing::warn!(?peer, %error, "xDS client failed the TLS handshake");
            None
        }
        Err(_) => {
            tracing::warn!(?peer, limit = ?HANDSHAKE, "xDS client took too long over the TLS handshake");
            None
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        match self {
            Self::Plain(stream) => stream.connect_info(),
            Self::Encrypted(stream) => stream.get_ref().0.connect_info(),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Encrypted(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Encrypted(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Encrypted(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Encrypted(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Encrypted(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Encrypted(stream) => stream.is_write_vectored(),
        }
    }
}
