//! TLS of a port that speaks HTTP: what serves it, made from PEM.

use std::sync::Arc;

use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::{
    NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier,
};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};

/// A certificate with its key, and the authorities of clients, as PEM.
#[derive(Clone, Copy)]
pub struct Pem<'a> {
    /// The certificate, and those between it and its authority.
    pub certificates: &'a [u8],
    /// Its key.
    pub key: &'a [u8],
    /// The authorities whose certificates clients may show.
    pub client_authorities: Option<&'a [u8]>,
}

/// Why a port can't be served so.
#[derive(Debug, thiserror::Error)]
pub enum TlsFailure {
    /// The certificate or an authority.
    #[error("the certificates are no PEM; they must begin with BEGIN CERTIFICATE")]
    ReadCertificates(#[source] pem::Error),
    /// The key.
    #[error("the key is no PEM; it must hold one private key, unencrypted")]
    ReadKey(#[source] pem::Error),
    /// The authorities of clients.
    #[error("the clients' authorities can't be used; give at least one certificate")]
    TrustAuthorities(#[source] VerifierBuilderError),
    /// All together.
    #[error("the certificate and key can't be used together")]
    Use(#[from] rustls::Error),
}

/// TLS 1.2 and 1.3. Clients may show a certificate where there are authorities, and need not: a kubelet has none.
///
/// # Errors
///
/// When the PEM holds something else than it should.
pub fn server(pem: Pem<'_>) -> Result<ServerConfig, TlsFailure> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions()?;
    let builder = match pem.client_authorities {
        None => builder.with_no_client_auth(),
        Some(authorities) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(authorities)? {
                roots.add(authority)?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            let verifier = verifier.allow_unauthenticated().build();
            builder.with_client_cert_verifier(verifier.map_err(TlsFailure::TrustAuthorities)?)
        }
    };
    let key = PrivateKeyDer::from_pem_slice(pem.key).map_err(TlsFailure::ReadKey)?;
    let mut config = builder.with_single_cert(certificates(pem.certificates)?, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if pem.client_authorities.is_some() {
        // A resumed session would bring a client's certificate back without looking whether it has expired.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    Ok(config)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsFailure> {
    let read: Result<_, _> = CertificateDer::pem_slice_iter(pem).collect();
    read.map_err(TlsFailure::ReadCertificates)
}
