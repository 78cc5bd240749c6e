//! An authority that makes certificates for the tests.

use fusegate_xds::server::TlsMaterial;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use serde_json::{Value, json};

/// The name of the control plane in its certificates.
const HOST: &str = "plane.example.com";

/// An authority that makes certificates for the tests.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
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
        let certificate = parameters.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(parameters, key),
            certificate,
        }
    }

    /// What a server needs that has a certificate of this authority and trusts clients of `clients`.
    pub(crate) fn material(&self, clients: &Self) -> TlsMaterial {
        let (certificate, key) = self.issue(SanType::DnsName(HOST.try_into().unwrap()));
        TlsMaterial {
            certificates: certificate.into(),
            key: key.into(),
            client_authorities: Some(clients.certificate.clone().into()),
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
                        "certificate_chain": {"inline_string": certificate},
                        "private_key": {"inline_string": key},
                    }],
                    "validation_context": {
                        "trusted_ca": {"inline_string": servers.certificate},
                        "match_typed_subject_alt_names": [
                            {"san_type": "DNS", "matcher": {"exact": HOST}},
                        ],
                    },
                },
            },
        })
    }

    fn issue(&self, name: SanType) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.subject_alt_names.push(name);
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}
