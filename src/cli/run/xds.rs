//! The xDS port of `fusegate run`: where it is, who may come, and what they may have.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use jiff::SignedDuration;

/// Options of the xDS port.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "xDS")]
pub struct Xds {
    /// Where Envoys connect for xDS. Anybody who can reach it can read every layer unless certificates
    /// are demanded, so the default is this machine only.
    #[arg(
        long = "xds-listen",
        env = "FUSEGATE_XDS_LISTEN",
        default_value = "127.0.0.1:18000",
        value_name = "ADDRESS:PORT"
    )]
    pub listen: SocketAddr,

    /// The certificate of the xDS port, as PEM, with those between it and its authority; it is read again
    /// whenever it changes.
    #[arg(
        long = "xds-tls-cert",
        env = "FUSEGATE_XDS_TLS_CERT",
        requires = "key",
        value_name = "FILE"
    )]
    pub cert: Option<PathBuf>,

    /// The key of that certificate, as PEM.
    #[arg(
        long = "xds-tls-key",
        env = "FUSEGATE_XDS_TLS_KEY",
        requires = "cert",
        value_name = "FILE"
    )]
    pub key: Option<PathBuf>,

    /// The authorities that Envoys' certificates must come from, as PEM; without it Envoys need none.
    #[arg(
        long = "xds-tls-client-ca",
        env = "FUSEGATE_XDS_TLS_CLIENT_CA",
        requires = "cert",
        value_name = "FILE"
    )]
    pub client_ca: Option<PathBuf>,

    /// Which layers an Envoy may have: any, or those of the namespaces that its certificate names, as
    /// `spiffe://DOMAIN/ns/NAMESPACE/…` or `NAMESPACE.layers.fusegate.io`.
    #[arg(
        long = "xds-layers",
        env = "FUSEGATE_XDS_LAYERS",
        default_value = "any",
        value_name = "WHICH"
    )]
    pub layers: Layers,

    /// Listen on more than this machine although certificates are not demanded; let your network say who may come.
    #[arg(long = "xds-insecure", env = "FUSEGATE_XDS_INSECURE")]
    pub insecure: bool,

    /// How many xDS streams are served at once; further Envoys are told to come back.
    #[arg(
        long = "xds-max-streams",
        env = "FUSEGATE_XDS_MAX_STREAMS",
        default_value = "20000",
        value_name = "COUNT"
    )]
    pub max_streams: NonZeroUsize,

    /// After how long a connection is ended, give or take a tenth, so that Envoys spread over new replicas and
    /// present their certificates again.
    #[arg(
        long = "xds-max-connection-age",
        env = "FUSEGATE_XDS_MAX_CONNECTION_AGE",
        default_value = "1h",
        value_parser = age,
        value_name = "DURATION"
    )]
    pub max_connection_age: Duration,
}

/// Which layers a client may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Layers {
    /// All of them.
    Any,
    /// Those of the namespaces that its certificate names.
    Certificate,
}

/// Options that would let in whom they should not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsafeXds {
    /// Reachable from elsewhere, without certificates.
    #[error(
        "--xds-listen {0} can be reached from other machines, and whoever reaches it could read every layer: \
         demand certificates with --xds-tls-cert, --xds-tls-key and --xds-tls-client-ca, \
         or listen on 127.0.0.1, or give --xds-insecure if your network says who may come"
    )]
    Reachable(SocketAddr),
    /// Layers by certificate, without certificates.
    #[error(
        "--xds-layers certificate needs certificates to go by: give --xds-tls-client-ca as well"
    )]
    NoCertificates,
}

impl Xds {
    /// Refuses options that would let in whom they should not.
    pub fn check(&self) -> Result<(), UnsafeXds> {
        if self.client_ca.is_some() {
            return Ok(());
        }
        if self.layers == Layers::Certificate {
            return Err(UnsafeXds::NoCertificates);
        }
        if self.listen.ip().is_loopback() || self.insecure {
            return Ok(());
        }
        Err(UnsafeXds::Reachable(self.listen))
    }
}

/// A duration of a second or more, such as `30m` or `1h 30m`.
fn age(text: &str) -> Result<Duration, String> {
    let refused = || format!("\"{text}\" is no duration of 1s or more; write it as 30m or 1h30m");
    let span: SignedDuration = text.parse().map_err(|_| refused())?;
    let span = Duration::try_from(span).map_err(|_| refused())?;
    if span < Duration::from_secs(1) {
        return Err(refused());
    }
    Ok(span)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use rstest::rstest;

    use super::*;
    use crate::cli::{Cli, Command};

    const TLS: &str = "--xds-tls-cert c --xds-tls-key k";

    fn options(line: &str) -> Result<Xds, String> {
        let words = ["fusegate", "run"].into_iter();
        let parsed = Cli::try_parse_from(words.chain(line.split_whitespace()));
        match parsed.map_err(|error| error.to_string())?.command {
            Command::Run(run) => Ok(run.xds),
            _ => Err("not run".to_owned()),
        }
    }

    #[rstest]
    #[case::by_default("", Ok(()))]
    #[case::on_this_machine("--xds-listen [::1]:1", Ok(()))]
    #[case::on_all("--xds-listen 0.0.0.0:1", Err("--xds-insecure"))]
    #[case::on_one("--xds-listen 10.0.0.1:1", Err("--xds-tls-client-ca"))]
    #[case::on_all_knowingly("--xds-listen 0.0.0.0:1 --xds-insecure", Ok(()))]
    #[case::layers_of_nobody("--xds-layers certificate", Err("--xds-tls-client-ca as well"))]
    fn what_is_unsafe_is_refused_with_what_to_do(
        #[case] line: &str,
        #[case] expected: Result<(), &str>,
    ) {
        match (options(line).unwrap().check(), expected) {
            (Ok(()), Ok(())) => {}
            (Err(told), Err(part)) => assert!(told.to_string().contains(part), "{told}"),
            (told, expected) => panic!("{told:?} instead of {expected:?}"),
        }
    }

    #[rstest]
    #[case::encrypted_only("", false)]
    #[case::with_certificates("--xds-tls-client-ca a --xds-layers certificate", true)]
    fn tls_alone_says_nothing_about_who_comes(#[case] more: &str, #[case] safe: bool) {
        let line = format!("--xds-listen 0.0.0.0:1 {TLS} {more}");
        assert_eq!(options(&line).unwrap().check().is_ok(), safe);
    }

    #[rstest]
    #[case("--xds-tls-cert c", "--xds-tls-key")]
    #[case("--xds-tls-client-ca a", "--xds-tls-cert")]
    #[case("--xds-max-connection-age 10ms", "1s or more")]
    #[case("--xds-max-streams 0", "--xds-max-streams")]
    fn what_can_not_be_is_named(#[case] line: &str, #[case] part: &str) {
        let told = options(line).unwrap_err();
        assert!(told.contains(part), "{told}");
    }

    #[test]
    fn an_age_is_written_as_people_write_it() {
        let options = options("--xds-max-connection-age 1h30m").unwrap();
        assert_eq!(options.max_connection_age, Duration::from_mins(90));
    }
}
