//! TLS: the server's certificate, and the authority that clients must be known to, both replaceable while serving.

use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use webpki::{EndEntityCert, KeyUsage};

/// How the server proves who it is, and what clients must prove.
///
/// A clone is the same one: replacing the material of any is replacing it for all connections from then on.
#[derive(Clone)]
pub struct Tls {
    used: Arc<ArcSwap<Used>>,
}

/// What is in use.
struct Used {
    config: Arc<ServerConfig>,
    expires: Option<SystemTime>,
}

/// Keys and certificates, as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsMaterial {
    /// The server's certificate, and those between it and its authority.
    pub certificates: Vec<u8>,
    /// The key of the server's certificate.
    pub key: Vec<u8>,
    /// The authorities that clients' certificates must come from; `None` to ask for none.
    pub client_authorities: Option<Vec<u8>>,
}

/// Why TLS material can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsFailure {
    /// The PEM of the server's certificates.
    #[error("the server's certificates are no PEM; they must begin with BEGIN CERTIFICATE")]
    ReadCertificates(#[source] pem::Error),
    /// The PEM of the key.
    #[error("the server's key is no PEM; it must hold one private key, unencrypted")]
    ReadKey(#[source] pem::Error),
    /// The PEM of the clients' authorities.
    #[error("the clients' authorities are no PEM; they must begin with BEGIN CERTIFICATE")]
    ReadAuthorities(#[source] pem::Error),
    /// One of the clients' authorities.
    #[error("one of the clients' authorities can't be used")]
    TrustAuthority(#[source] rustls::Error),
    /// The clients' authorities together.
    #[error("the clients' authorities can't be used; give at least one certificate")]
    TrustAuthorities(#[source] VerifierBuilderError),
    /// Certificate and key together.
    #[error("the server's certificate and key can't be used together")]
    UseCertificate(#[source] rustls::Error),
}

impl Tls {
    /// TLS 1.2 and 1.3 with this material.
    pub fn new(material: &TlsMaterial) -> Result<Self, TlsFailure> {
        let used = Arc::new(Used::of(material)?);
        Ok(Self {
            used: Arc::new(ArcSwap::new(used)),
        })
    }

    /// Uses `material` for the connections to come; those that stand are left alone.
    ///
    /// Material that can't be used changes nothing.
    pub fn replace(&self, material: &TlsMaterial) -> Result<(), TlsFailure> {
        self.used.store(Arc::new(Used::of(material)?));
        Ok(())
    }

    /// When the server's certificate expires that is in use; `None` if that can't be read of it.
    ///
    /// Past this clients turn the server away. Those between it and its authority are not looked at.
    pub fn expires(&self) -> Option<SystemTime> {
        self.used.load().expires
    }

    /// For one connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.used.load().config))
    }
}

impl Used {
    fn of(material: &TlsMaterial) -> Result<Self, TlsFailure> {
        let chain = certificates(&material.certificates).map_err(TlsFailure::ReadCertificates)?;
        let expires = chain.first().and_then(expiry);
        let config = Arc::new(config(material, chain)?);
        Ok(Self { config, expires })
    }
}

impl Debug for Tls {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Debug for TlsMaterial {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("TlsMaterial")
    }
}

/// The end of a certificate's validity (RFC 5280, 4.1.2.5).
///
/// It is what webpki says to it at the end of all time: the validity is the first thing that it looks at.
fn expiry(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let never = UnixTime::since_unix_epoch(Duration::from_secs(u64::MAX));
    let usage = KeyUsage::server_auth();
    let verified = certificate.verify_for_usage(&[], &[], &[], never, usage, None, None);
    match verified.err()? {
        webpki::Error::CertExpired { not_after, .. } => {
            SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(not_after.as_secs()))
        }
        _ => None,
    }
}

fn config(
    material: &TlsMaterial,
    chain: Vec<CertificateDer<'static>>,
) -> Result<ServerConfig, TlsFailure> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(TlsFailure::UseCertificate)?;
    let builder = match &material.client_authorities {
        None => builder.with_no_client_auth(),
        Some(authorities) => {
            let roots = Arc::new(roots(authorities)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            builder.with_client_cert_verifier(verifier.map_err(TlsFailure::TrustAuthorities)?)
        }
    };
    let key = PrivateKeyDer::from_pem_slice(&material.key).map_err(TlsFailure::ReadKey)?;
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(TlsFailure::UseCertificate)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn roots(authorities: &[u8]) -> Result<RootCertStore, TlsFailure> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(authorities).map_err(TlsFailure::ReadAuthorities)? {
        roots.add(authority).map_err(TlsFailure::TrustAuthority)?;
    }
    Ok(roots)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    CertificateDer::pem_slice_iter(pem).collect()
}
