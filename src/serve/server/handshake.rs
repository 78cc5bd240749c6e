//! The handshake: what makes a connection an encrypted one, and the names that its client proves.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use webpki::EndEntityCert;

use crate::serve::access::Peer;

/// What connections are encrypted with, replaced as certificates are renewed.
pub type SharedTls = Arc<ArcSwap<ServerConfig>>;

/// A connection, encrypted or not.
pub(super) type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// How long a client may take over its part of the handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The connection, encrypted where there is something to do it with, and who is at its other end; `None` if that failed.
pub(super) async fn handshake(
    stream: TcpStream,
    address: IpAddr,
    tls: Option<&SharedTls>,
) -> Option<(Stream, Peer)> {
    let Some(tls) = tls else {
        return Some((Either::Left(stream), Peer::at(address)));
    };
    let acceptor = TlsAcceptor::from(tls.load_full());
    match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let names = names(&stream);
            let peer = Peer { address, names };
            Some((Either::Right(Box::new(stream)), peer))
        }
        Ok(Err(error)) => {
            tracing::warn!(peer = %address, %error, "an HTTP client failed the TLS handshake");
            None
        }
        Err(_elapsed) => {
            tracing::warn!(peer = %address, limit = ?HANDSHAKE, "an HTTP client took too long over the TLS handshake");
            None
        }
    }
}

/// The alternative names in the certificate that a client showed (RFC 5280, 4.2.1.6): those of type DNS and URI.
fn names(stream: &TlsStream<TcpStream>) -> Arc<[String]> {
    let chain = stream.get_ref().1.peer_certificates();
    let certificate = chain.and_then(|chain| chain.first());
    // It was parsed before, when it was verified.
    let certificate = certificate.and_then(|certificate| EndEntityCert::try_from(certificate).ok());
    certificate.map_or_else(Arc::default, |certificate| {
        let names = certificate.valid_uri_names();
        let names = names.chain(certificate.valid_dns_names());
        names.map(str::to_owned).collect()
    })
}
