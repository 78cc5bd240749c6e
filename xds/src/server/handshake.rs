//! The TLS handshake: what makes a connection an encrypted one.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::certificate;
use super::tls::Tls;
use crate::peer::Certificate;

/// How long a client may take over its part of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The connection, encrypted, and the client's certificate; `None` if the handshake failed.
pub(super) async fn handshake(
    stream: TcpStream,
    address: Option<SocketAddr>,
    tls: &Tls,
) -> Option<(Box<TlsStream<TcpStream>>, Option<Certificate>)> {
    match timeout(HANDSHAKE, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => {
            let chain = stream.get_ref().1.peer_certificates();
            let certificate = chain.and_then(certificate::names);
            Some((Box::new(stream), certificate))
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
