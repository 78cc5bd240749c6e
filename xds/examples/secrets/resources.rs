//! A listener out of YAML, and the secret that it refers to out of PEM files.

use std::fs;
use std::io;
use std::path::Path;

use fusegate_xds::envoy_types::pb::envoy::config::core::v3::DataSource;
use fusegate_xds::envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use fusegate_xds::envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::secret::Type;
use fusegate_xds::envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    Secret, TlsCertificate,
};
use fusegate_xds::json::{self, Problem};
use fusegate_xds::{Absent, Resource, TypeUrl, Update};

/// What the listener calls its certificate.
const NAME: &str = "ingress";

/// What publishes the listener.
pub(crate) fn listener(port: u16) -> Result<Update, Box<Problem>> {
    let text = include_str!("listener.yaml").replace("10443", &port.to_string());
    let (resources, problems) = json::parse("listener.yaml", &text);
    match problems.into_iter().next() {
        Some(problem) => Err(Box::new(problem)),
        // Until a certificate is read, nobody is told that there is none.
        None => Ok(resources.into_iter().fold(
            Update::new().absent(TypeUrl::SECRET, Absent::Withheld),
            Update::put,
        )),
    }
}

/// What publishes the certificate that is in these files.
pub(crate) fn certificate(certificate: &Path, key: &Path) -> io::Result<Update> {
    let inline = |path| {
        let specifier = Specifier::InlineBytes(fs::read(path)?);
        io::Result::Ok(DataSource {
            specifier: Some(specifier),
            ..DataSource::default()
        })
    };
    let certificate = TlsCertificate {
        certificate_chain: Some(inline(certificate)?),
        private_key: Some(inline(key)?),
        ..TlsCertificate::default()
    };
    let secret = Secret {
        name: NAME.to_owned(),
        r#type: Some(Type::TlsCertificate(certificate)),
    };
    Ok(Update::new().put(Resource::from_message(NAME, &secret)))
}
