//! The certificates of the xDS port, read from files, and read again whenever these change.
//!
//! The files are polled, not watched: a mounted secret is swapped by links, on file systems without events.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use fusegate_xds::server::{Tls, TlsMaterial};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::cli::run::xds::Xds;
use crate::runtime::metrics::{Metrics, Reload};

/// How often the files are read. Certificates are renewed weeks before they expire.
const EVERY: Duration = Duration::from_secs(2);

/// The certificate files.
#[derive(Clone, Debug)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
}

/// The certificates in use, and their files.
pub(super) struct Certificates {
    tls: Tls,
    files: Files,
    used: TlsMaterial,
    /// The failure at the last look.
    failed_once: Option<String>,
    /// The failure that was logged.
    reported: Option<String>,
}

impl Certificates {
    /// Reads the files that the options name; `None` if they name none.
    pub(super) fn read(options: &Xds) -> anyhow::Result<Option<Self>> {
        let (Some(cert), Some(key)) = (&options.cert, &options.key) else {
            return Ok(None);
        };
        let files = Files {
            cert: cert.clone(),
            key: key.clone(),
            client_ca: options.client_ca.clone(),
        };
        let used = files.read()?;
        let tls = Tls::new(&used).with_context(|| format!("using {files}"))?;
        Ok(Some(Self {
            tls,
            files,
            used,
            failed_once: None,
            reported: None,
        }))
    }

    pub(super) fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// Polls the files until shutdown.
    pub(super) async fn keep(mut self, metrics: Metrics, shutdown: CancellationToken) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        metrics.xds.tls_stale.set(0);
        metrics.xds.expires(self.tls.expires());
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            let files = self.files.clone();
            let read = tokio::task::spawn_blocking(move || files.read());
            match read.await {
                Ok(read) => self.take(read, &metrics),
                Err(error) => {
                    tracing::error!(%error, "cannot read the certificates of the xDS port");
                }
            }
        }
    }

    /// Uses the certificates if they are new and valid.
    ///
    /// A failure is logged at the second look: certificate and key are two files, which may be halfway through a
    /// replacement.
    fn take(&mut self, read: anyhow::Result<TlsMaterial>, metrics: &Metrics) {
        let used = read.and_then(|read| {
            if read != self.used {
                let replaced = self.tls.replace(&read);
                replaced.with_context(|| format!("using {}", self.files))?;
                self.used = read;
                metrics.xds.reloaded(Reload::Loaded);
                metrics.xds.expires(self.tls.expires());
                tracing::info!(files = %self.files, "the certificates of the xDS port were replaced");
            }
            Ok(())
        });
        let Err(failure) = used else {
            if self.reported.take().is_some() {
                metrics.xds.tls_stale.set(0);
                tracing::info!(files = %self.files, "the certificates of the xDS port are valid again");
            }
            self.failed_once = None;
            return;
        };
        let failure = format!("{failure:#}");
        if self.failed_once.as_ref() == Some(&failure) && self.reported.as_ref() != Some(&failure) {
            metrics.xds.reloaded(Reload::Failed);
            tracing::error!(
                reason = failure,
                "cannot use the certificates of the xDS port; those read earlier stay in use"
            );
            self.reported = Some(failure.clone());
        }
        self.failed_once = Some(failure);
    }
}

impl Files {
    fn read(&self) -> anyhow::Result<TlsMaterial> {
        let client_ca = self.client_ca.as_deref();
        Ok(TlsMaterial {
            certificates: read(&self.cert, "--xds-tls-cert")?,
            key: read(&self.key, "--xds-tls-key")?,
            client_authorities: client_ca
                .map(|path| read(path, "--xds-tls-client-ca"))
                .transpose()?,
        })
    }
}

impl std::fmt::Display for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} and {}", self.cert.display(), self.key.display())?;
        match &self.client_ca {
            Some(client_ca) => write!(f, " and {}", client_ca.display()),
            None => Ok(()),
        }
    }
}

fn read(path: &Path, flag: &str) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("reading {flag} {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertificateParams, KeyPair};

    use super::{Certificates, Files, Tls};
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

    #[test]
    fn the_expiration_of_the_certificate_in_use_is_a_metric() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files {
            cert: folder.path().join("tls.crt"),
            key: folder.path().join("tls.key"),
            client_ca: None,
        };
        write(&files, 2031);
        let used = files.read().unwrap();
        let mut certificates = Certificates {
            tls: Tls::new(&used).unwrap(),
            files,
            used,
            failed_once: None,
            reported: None,
        };
        let metrics = Metrics::new();
        write(&certificates.files, 2061);
        certificates.take(certificates.files.read(), &metrics);
        let line = "fusegate_xds_tls_expiration_timestamp_seconds 2874614400\n";
        assert!(metrics.encode().contains(line), "{}", metrics.encode());
    }
}
