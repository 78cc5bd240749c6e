//! The tokens and names of the HTTP port: files for each group in one folder, as a mounted Secret is, read again whenever it changes.
//!
//! The files are polled, not watched: a mounted secret is swapped by links.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use arc_swap::ArcSwap;
use futures::FutureExt as _;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::app::run::Parts;
use crate::cli::run::Run;
use crate::serve::access::{Proof, SharedTokens, Tokens};

/// How often the files are read.
const EVERY: Duration = Duration::from_secs(2);

/// The tokens, and where they come from.
pub(super) struct TokenFiles {
    folder: PathBuf,
    /// Whether clients can show certificates.
    certified: bool,
    tokens: SharedTokens,
    /// The failure that was logged.
    reported: Option<String>,
}

impl Parts {
    /// Keeps the tokens that the HTTP port asks for as they are in the files.
    pub(super) fn start_tokens(
        &self,
        options: &Run,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) -> anyhow::Result<SharedTokens> {
        let Some(folder) = &options.http.tokens else {
            return Ok(SharedTokens::default());
        };
        let files = TokenFiles::read(folder, options.http.client_ca.is_some())?;
        let tokens = files.tokens();
        tasks.spawn(files.keep(self.token.clone()).map(Ok));
        Ok(tokens)
    }
}

impl TokenFiles {
    /// Reads them for the first time.
    pub(super) fn read(folder: &Path, certified: bool) -> anyhow::Result<Self> {
        let read = read(folder, certified, &Tokens::default())?;
        Ok(Self {
            folder: folder.to_owned(),
            certified,
            tokens: Arc::new(ArcSwap::from_pointee(read)),
            reported: None,
        })
    }

    pub(super) fn tokens(&self) -> SharedTokens {
        Arc::clone(&self.tokens)
    }

    /// Polls the files until shutdown.
    pub(super) async fn keep(mut self, shutdown: CancellationToken) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            let (folder, before) = (self.folder.clone(), self.tokens.load_full());
            let certified = self.certified;
            let read = tokio::task::spawn_blocking(move || read(&folder, certified, &before));
            let read = read.await;
            match read {
                Ok(read) => self.take(read),
                Err(error) => tracing::error!(%error, "cannot read the tokens of the HTTP port"),
            }
        }
    }

    fn take(&mut self, read: anyhow::Result<Tokens>) {
        match read {
            Ok(tokens) => {
                self.reported = None;
                if tokens != **self.tokens.load() {
                    self.tokens.store(Arc::new(tokens));
                    tracing::info!("the tokens of the HTTP port were replaced");
                }
            }
            Err(error) => {
                let failure = format!("{error:#}");
                if self.reported.as_ref() != Some(&failure) {
                    tracing::error!(
                        reason = failure,
                        "cannot use the tokens of the HTTP port; those read earlier stay in use"
                    );
                    self.reported = Some(failure);
                }
            }
        }
    }
}

/// The tokens as they are in the files. Where a file is gone the tokens of before stay: nothing opens by itself.
fn read(folder: &Path, certified: bool, before: &Tokens) -> anyhow::Result<Tokens> {
    if !folder.is_dir() {
        return Err(anyhow!(
            "--http-tokens {}: this is no folder",
            folder.display()
        ));
    }
    let mut tokens = Tokens::default();
    for (name, of) in Tokens::files() {
        let path = folder.join(name);
        match std::fs::read_to_string(&path) {
            Ok(_) if of.1 == Proof::Name && !certified => {
                return Err(anyhow!(
                    "{}: nobody can show a certificate; give --http-tls-client-ca as well",
                    path.display()
                ));
            }
            Ok(text) => tokens
                .give(of, &text)
                .map_err(|why| anyhow!("{}: {why}", path.display()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(known) = before.of(of) {
                    tokens.keep(of, known.clone());
                }
            }
            Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::access::Group;

    const GATE: (Group, Proof) = (Group::Gate, Proof::Token);
    const PAGE: (Group, Proof) = (Group::Page, Proof::Token);

    #[test]
    fn what_is_in_the_files_counts_and_what_is_gone_stays_closed() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("gate", "0123456789abcdef\n");
        let mut files = TokenFiles::read(folder.path(), false).unwrap();
        let tokens = files.tokens();
        let first = tokens.load_full();
        assert!(first.of(GATE).is_some() && first.of(PAGE).is_none());
        write("gate", "fedcba9876543210\n");
        write("page", "fedcba9876543210\n");
        files.take(read(folder.path(), false, &tokens.load()));
        let second = tokens.load_full();
        assert_ne!(second.of(GATE), first.of(GATE));
        assert!(second.of(PAGE).is_some());
        std::fs::remove_file(folder.path().join("page")).unwrap();
        files.take(read(folder.path(), false, &tokens.load()));
        assert_eq!(**tokens.load(), *second);
        write("gate", "short");
        files.take(read(folder.path(), false, &tokens.load()));
        assert_eq!(**tokens.load(), *second);
        assert!(files.reported.unwrap().contains("less than 16 characters"));
    }

    #[test]
    fn names_that_nobody_can_prove_are_refused_and_others_count() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("metrics.names");
        std::fs::write(file, "prometheus.monitoring.svc\n").unwrap();
        let refused = TokenFiles::read(folder.path(), false).err().unwrap();
        assert!(refused.to_string().contains("--http-tls-client-ca"));
        let files = TokenFiles::read(folder.path(), true).unwrap();
        let known = files.tokens.load();
        assert!(known.of((Group::Metrics, Proof::Name)).is_some());
        assert!(known.of((Group::Metrics, Proof::Token)).is_none());
    }
}
