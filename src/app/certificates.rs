//! The certificates of a port, read from files, and read again whenever these change.
//!
//! The files are polled, not watched: a mounted secret is swapped by links, on file systems without events.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use arc_swap::ArcSwap;
use fusegate_xds::server::{Tls, TlsMaterial};
use futures::FutureExt as _;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::app::run::Parts;
use crate::cli::run::Run;
use crate::cli::run::http::Http;
use crate::cli::run::xds::Xds;
use crate::runtime::authority::Validity;
use crate::runtime::metrics::{self, Reload};
use crate::runtime::tls::{self, Pem};
use crate::serve::server::SharedTls;

/// How often the files are read. Certificates are renewed weeks before they expire.
const EVERY: Duration = Duration::from_secs(2);

/// The certificate files of a port.
#[derive(Clone, Debug)]
pub(super) struct Files {
    /// What its options begin with: `xds` or `http`.
    port: &'static str,
    cert: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

/// What a port serves with, which others can take the place of while it does.
pub(super) trait Served: Clone + Send + Sized {
    fn new(material: &TlsMaterial) -> anyhow::Result<Self>;
    fn replace(&self, material: &TlsMaterial) -> anyhow::Result<()>;
}

/// The certificates in use, and their files.
pub(super) struct Certificates<T> {
    tls: T,
    files: Files,
    used: TlsMaterial,
    /// The failure at the last look.
    failed_once: Option<String>,
    /// The failure that was logged.
    reported: Option<String>,
}

impl Parts {
    /// Reads the certificates of both ports, where they have any, and keeps them as they are in the files.
    pub(super) fn start_tls(
        &self,
        options: &Run,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) -> anyhow::Result<(Option<Tls>, Option<SharedTls>)> {
        let xds = self.keep(Files::xds(&options.xds), &self.metrics.xds.tls, tasks)?;
        let web = self.keep(Files::http(&options.http), &self.metrics.http_tls, tasks)?;
        Ok((xds, web))
    }

    fn keep<T: Served + 'static>(
        &self,
        files: Option<Files>,
        metrics: &metrics::Tls,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) -> anyhow::Result<Option<T>> {
        let Some(files) = files else {
            return Ok(None);
        };
        let certificates = Certificates::<T>::read(files)?;
        let tls = certificates.tls();
        let keeping = certificates.keep(metrics.clone(), self.token.clone());
        tasks.spawn(keeping.map(Ok));
        Ok(Some(tls))
    }
}

impl<T: Served> Certificates<T> {
    /// Reads the files for the first time.
    pub(super) fn read(files: Files) -> anyhow::Result<Self> {
        let used = files.read()?;
        let tls = T::new(&used).with_context(|| format!("using {files}"))?;
        Ok(Self {
            tls,
            files,
            used,
            failed_once: None,
            reported: None,
        })
    }

    pub(super) fn tls(&self) -> T {
        self.tls.clone()
    }

    /// Polls the files until shutdown.
    pub(super) async fn keep(mut self, metrics: metrics::Tls, shutdown: CancellationToken) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        metrics.stale.set(0);
        metrics.expires(expiry(&self.used));
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            let files = self.files.clone();
            let read = tokio::task::spawn_blocking(move || files.read());
            match read.await {
                Ok(read) => self.take(read, &metrics),
                Err(error) => {
                    tracing::error!(port = self.files.port, %error, "cannot read the certificates of a port");
                }
            }
        }
    }

    /// Uses the certificates if they are new and valid.
    ///
    /// A failure is logged at the second look: certificate and key are two files, which may be halfway through a
    /// replacement.
    fn take(&mut self, read: anyhow::Result<TlsMaterial>, metrics: &metrics::Tls) {
        let port = self.files.port;
        let used = read.and_then(|read| {
            if read != self.used {
                let replaced = self.tls.replace(&read);
                replaced.with_context(|| format!("using {}", self.files))?;
                self.used = read;
                metrics.reloaded(Reload::Loaded);
                metrics.expires(expiry(&self.used));
                tracing::info!(port, files = %self.files, "the certificates of a port were replaced");
            }
            Ok(())
        });
        let Err(failure) = used else {
            if self.reported.take().is_some() {
                metrics.stale.set(0);
                tracing::info!(port, files = %self.files, "the certificates of a port are valid again");
            }
            self.failed_once = None;
            return;
        };
        let failure = format!("{failure:#}");
        if self.failed_once.as_ref() == Some(&failure) && self.reported.as_ref() != Some(&failure) {
            metrics.reloaded(Reload::Failed);
            tracing::error!(
                port,
                reason = failure,
                "cannot use the certificates of a port; those read earlier stay in use"
            );
            self.reported = Some(failure.clone());
        }
        self.failed_once = Some(failure);
    }
}

impl Served for Tls {
    fn new(material: &TlsMaterial) -> anyhow::Result<Self> {
        Ok(Self::new(material)?)
    }

    fn replace(&self, material: &TlsMaterial) -> anyhow::Result<()> {
        Ok(self.replace(material)?)
    }
}

impl Served for SharedTls {
    fn new(material: &TlsMaterial) -> anyhow::Result<Self> {
        Ok(Self::new(ArcSwap::from_pointee(tls::server(pem(
            material,
        ))?)))
    }

    fn replace(&self, material: &TlsMaterial) -> anyhow::Result<()> {
        self.store(Arc::new(tls::server(pem(material))?));
        Ok(())
    }
}

fn pem(material: &TlsMaterial) -> Pem<'_> {
    Pem {
        certificates: &material.certificates,
        key: &material.key,
        client_authorities: material.client_authorities.as_deref(),
    }
}

/// When the port's certificate expires. Those between it and its authority are not looked at.
fn expiry(material: &TlsMaterial) -> Option<SystemTime> {
    let validity = Validity::of(str::from_utf8(&material.certificates).ok()?)?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(validity.until))
}

impl Files {
    /// Those of the xDS port.
    pub(super) fn xds(options: &Xds) -> Option<Self> {
        Some(Self {
            port: "xds",
            cert: options.cert.clone()?,
            key: options.key.clone()?,
            client_ca: options.client_ca.clone(),
        })
    }

    /// Those of the HTTP port.
    pub(super) fn http(options: &Http) -> Option<Self> {
        Some(Self {
            port: "http",
            cert: options.cert.clone()?,
            key: options.key.clone()?,
            client_ca: options.client_ca.clone(),
        })
    }

    fn read(&self) -> anyhow::Result<TlsMaterial> {
        let client_ca = self.client_ca.as_deref();
        Ok(TlsMaterial {
            certificates: self.file(&self.cert, "cert")?,
            key: self.file(&self.key, "key")?,
            client_authorities: client_ca
                .map(|path| self.file(path, "client-ca"))
                .transpose()?,
        })
    }

    fn file(&self, path: &Path, which: &str) -> anyhow::Result<Vec<u8>> {
        let port = self.port;
        std::fs::read(path)
            .with_context(|| format!("reading --{port}-tls-{which} {}", path.display()))
    }
}

impl Display for Files {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} and {}", self.cert.display(), self.key.display())?;
        match &self.client_ca {
            Some(client_ca) => write!(f, " and {}", client_ca.display()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertificateParams, KeyPair};
    use rstest::rstest;

    use super::*;
    use crate::runtime::metrics::Metrics;

    /// Writes a certificate that is valid until the third of February of `year`, and its key.
    fn write(files: &Files, year: i32) {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec!["localhost".into()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, 2, 3);
        let certificate = parameters.self_signed(&key).unwrap();
        fs::write(&files.cert, certificate.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
    }

    fn renew<T: Served>(port: &'static str, metrics: &metrics::Tls) {
        let folder = tempfile::tempdir().unwrap();
        let files = Files {
            port,
            cert: folder.path().join("tls.crt"),
            key: folder.path().join("tls.key"),
            client_ca: None,
        };
        write(&files, 2031);
        let mut certificates = Certificates::<T>::read(files).unwrap();
        write(&certificates.files, 2061);
        certificates.take(certificates.files.read(), metrics);
    }

    #[rstest]
    #[case::xds("xds")]
    #[case::http("http")]
    fn the_expiration_of_the_certificate_in_use_is_a_metric(#[case] port: &'static str) {
        let metrics = Metrics::new();
        match port {
            "xds" => renew::<Tls>(port, &metrics.xds.tls),
            _ => renew::<SharedTls>(port, &metrics.http_tls),
        }
        let line = format!("fusegate_{port}_tls_expiration_timestamp_seconds 2874614400\n");
        assert!(metrics.encode().contains(&line), "{}", metrics.encode());
    }
}
