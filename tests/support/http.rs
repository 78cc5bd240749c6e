//! The HTTP client of the harness: it talks to servers on this machine, and never through a proxy.

use std::time::Duration;

use anyhow::Result;
use reqwest::{Client, ClientBuilder};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

/// Longer than any server here takes to answer, so that one that hangs fails the request and not the whole test run.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The variables by which a machine sends its requests through a proxy, which does not know our loopback address.
pub(crate) const PROXY_VARIABLES: [&str; 6] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
];

/// A new client. It keeps no connection open, since one to a server that is restarted would be dead.
pub(crate) fn client() -> Result<Client> {
    let client = builder().pool_max_idle_per_host(0).timeout(TIMEOUT);
    Ok(client.build()?)
}

/// A client that trusts one authority, given as PEM.
pub(crate) fn client_of(authority: &str) -> Result<Client> {
    client_with(authority, None)
}

/// The same, which shows a certificate of its own if it has one, given with its key as PEM.
pub(crate) fn client_with(authority: &str, own: Option<[&str; 2]>) -> Result<Client> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes())?)?;
    let tls = rustls::ClientConfig::builder().with_root_certificates(roots);
    let tls = match own {
        None => tls.with_no_client_auth(),
        Some([certificate, key]) => {
            let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())?;
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes())?;
            tls.with_client_auth_cert(vec![certificate], key)?
        }
    };
    let client = Client::builder().tls_backend_preconfigured(tls).no_proxy();
    Ok(client.pool_max_idle_per_host(0).timeout(TIMEOUT).build()?)
}

/// A client in the making. It is given the cryptography of everything else here, since it comes with none of its own.
pub(crate) fn builder() -> ClientBuilder {
    let tls = rustls::ClientConfig::builder()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    Client::builder().tls_backend_preconfigured(tls).no_proxy()
}
