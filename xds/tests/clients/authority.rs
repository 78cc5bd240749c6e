//! An authority that makes certificates: for the control plane and its clients, and for what Envoy shows to clients of its own.

use std::sync::Arc;

use fusegate_xds::Resource;
use fusegate_xds::server::TlsMaterial;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

use crate::http::SERVER;
use crate::resources::certificate;

/// The name of the control plane in its certificates.
const HOST: &str = "plane.example.com";

/// An authority that makes certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        // A leaf of the same name as its issuer would look self-signed to Envoy.
        parameters
            .distinguished_name
            .push(DnType::CommonName, "authority");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap();
        Self {
            issuer: Issuer::new(parameters, key),
            certificate,
        }
    }

    /// What a server needs that has a certificate of this authority and trusts clients of `clients`.
    pub(crate) fn material(&self, clients: &Self) -> TlsMaterial {
        let (certificate, key) = self.issue(SanType::DnsName(HOST.try_into().unwrap()));
        TlsMaterial {
            certificates: certificate.pem().into(),
            key: key.into(),
            client_authorities: Some(clients.certificate.pem().into()),
        }
    }

    /// What an Envoy needs that has a certificate of this authority for `uri`, and trusts servers of `servers`.
    pub(crate) fn socket(&self, uri: &str, servers: &Self) -> Value {
        let (certificate, key) = self.issue(SanType::URI(uri.try_into().unwrap()));
        json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "sni": HOST,
                "common_tls_context": {
                    "tls_certificates": [{
                        "certificate_chain": {"inline_string": certificate.pem()},
                        "private_key": {"inline_string": key},
                    }],
                    "validation_context": {
                        "trusted_ca": {"inline_string": servers.certificate.pem()},
                        "match_typed_subject_alt_names": [
                            {"san_type": "DNS", "matcher": {"exact": HOST}},
                        ],
                    },
                },
            },
        })
    }

    /// The PEM of a new certificate for Envoy's listeners, that of its key, and the certificate as a client sees it.
    pub(crate) fn pem(&self) -> (String, String, CertificateDer<'static>) {
        let (signed, key) = self.issue(SanType::DnsName(SERVER.try_into().unwrap()));
        (signed.pem(), key, signed.der().clone())
    }

    /// A new certificate for Envoy's listeners as the secret `name`, and the same as a client sees it.
    pub(crate) fn secret(&self, name: &str) -> (Resource, CertificateDer<'static>) {
        let (chain, key, shown) = self.pem();
        (certificate(name, &chain, &key), shown)
    }

    /// What a client needs that trusts what this authority makes.
    pub(crate) fn trusted(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let provider = Arc::new(crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }

    fn issue(&self, name: SanType) -> (rcgen::Certificate, String) {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.subject_alt_names.push(name);
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        (certificate, key.serialize_pem())
    }
}
