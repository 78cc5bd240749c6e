//! The certificate: the names in what a client proved itself with.

use tokio_rustls::rustls::pki_types::CertificateDer;
use tonic::codegen::http::Extensions;
#[cfg(unix)]
use tonic::transport::server::UdsConnectInfo;
use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use webpki::EndEntityCert;

use crate::peer::Certificate;

/// The names in the first certificate of a chain that was verified.
pub(super) fn names(chain: &[CertificateDer<'_>]) -> Option<Certificate> {
    let certificate = chain.first()?;
    // It was parsed before, when it was verified.
    let Ok(certificate) = EndEntityCert::try_from(certificate) else {
        return Some(Certificate::default());
    };
    Some(Certificate {
        dns_names: certificate.valid_dns_names().map(str::to_owned).collect(),
        uris: certificate.valid_uri_names().map(str::to_owned).collect(),
    })
}

/// The same of a client that tonic's transport has verified.
pub(super) fn of_transport(extensions: &Extensions) -> Option<Certificate> {
    let chain = extensions
        .get::<TlsConnectInfo<TcpConnectInfo>>()
        .and_then(TlsConnectInfo::peer_certs);
    #[cfg(unix)]
    let chain = chain.or_else(|| {
        let info = extensions.get::<TlsConnectInfo<UdsConnectInfo>>()?;
        info.peer_certs()
    });
    names(&chain?)
}
