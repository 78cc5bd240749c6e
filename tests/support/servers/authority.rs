//! An authority: it makes certificates for the servers and clients of a test.

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType, date_time_ymd,
};

/// An authority that makes certificates.
#[derive(Debug)]
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, as PEM.
#[derive(Clone, Debug)]
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut parameters = CertificateParams::new(Vec::new())?;
        // A leaf of the same name as its issuer would look self-signed to Envoy.
        parameters
            .distinguished_name
            .push(DnType::CommonName, "authority");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = parameters.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(parameters, key),
            pem,
        })
    }

    /// Its own certificate, as PEM.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for a host, by its name or its address.
    pub(crate) fn for_host(&self, name: &str) -> Result<Issued> {
        self.issue(match name.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => SanType::DnsName(name.try_into()?),
        })
    }

    /// A certificate for a workload, by its URI.
    pub(crate) fn for_uri(&self, uri: &str) -> Result<Issued> {
        self.issue(SanType::URI(uri.try_into()?))
    }

    /// A certificate for a host that was valid until some years ago.
    pub(crate) fn expired(&self, name: &str) -> Result<Issued> {
        let mut parameters = CertificateParams::new(Vec::new())?;
        parameters.not_after = date_time_ymd(2020, 1, 1);
        self.sign(parameters, SanType::DnsName(name.try_into()?))
    }

    fn issue(&self, name: SanType) -> Result<Issued> {
        self.sign(CertificateParams::new(Vec::new())?, name)
    }

    fn sign(&self, mut parameters: CertificateParams, name: SanType) -> Result<Issued> {
        let key = KeyPair::generate()?;
        parameters.subject_alt_names.push(name);
        let certificate = parameters.signed_by(&key, &self.issuer)?.pem();
        Ok(Issued {
            certificate,
            key: key.serialize_pem(),
        })
    }
}
