//! The incoming connections: accepted, made ready, and encrypted where that is wanted.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::server::TlsStream;
use webpki::EndEntityCert;

use super::counts::Counters;
use super::tls::Tls;
use crate::peer::{Certificate, Peer};

/// How long a client may take over its part of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long to wait after the system refused a connection (out of descriptors, most likely), so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connection.
pub(super) enum Connection {
    Plain(TcpStream),
    Encrypted(Box<TlsStream<TcpStream>>),
}

/// The next connection, once there is a place for it; the place is free again when the permit is dropped.
pub(super) async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    counters: &Counters,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    if places.available_permits() == 0 {
        counters.connections_full.inc();
    }
    // The semaphore is never closed; were it, connections would go unbounded, not unserved.
    let place = Arc::clone(places).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                counters.connections.inc();
                return (stream, place);
            }
            Err(error) => {
                tracing::warn!(%error, "an xDS connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The connection ready to be used, and who is at its other end; `None` if the handshake failed.
pub(super) async fn handshake(stream: TcpStream, tls: Option<&Tls>) -> Option<(Connection, Peer)> {
    // A response is small and must not wait for the next one; a client that has hung up already will be noticed later.
    let _ = stream.set_nodelay(true);
    let address = stream.peer_addr().ok();
    let Some(tls) = tls else {
        let peer = Peer {
            address,
            certificate: None,
        };
        return Some((Connection::Plain(stream), peer));
    };
    match tokio::time::timeout(HANDSHAKE, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => {
            let certificates = stream.get_ref().1.peer_certificates();
            let certificate = certificates.and_then(|chain| chain.first().map(names));
            let peer = Peer {
                address,
                certificate: certificate.map(Arc::new),
            };
            Some((Connection::Encrypted(Box::new(stream)), peer))
        }
        Ok(Err(error)) => {
            tracing::warn!(peer = ?address, %error, "xDS client failed the TLS handshake");
            None
        }
        Err(_) => {
            tracing::warn!(peer = ?address, limit = ?HANDSHAKE, "xDS client took too long over the TLS handshake");
            None
        }
    }
}

/// The names in a certificate that was verified.
fn names(certificate: &CertificateDer<'_>) -> Certificate {
    // It was parsed before, when it was verified.
    let Ok(certificate) = EndEntityCert::try_from(certificate) else {
        return Certificate::default();
    };
    Certificate {
        dns_names: certificate.valid_dns_names().map(str::to_owned).collect(),
        uris: certificate.valid_uri_names().map(str::to_owned).collect(),
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
