//! The tokens of the HTTP port: a file for each group in one folder, as a mounted Secret is, read again whenever it changes.
//!
//! The files are polled, not watched: a mounted secret is swapped by links.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use arc_swap::ArcSwap;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::serve::access::{Group, SharedTokens, Tokens};

/// How often the files are read.
const EVERY: Duration = Duration::from_secs(2);

/// The tokens, and where they come from.
pub(super) struct TokenFiles {
    folder: PathBuf,
    tokens: SharedTokens,
    /// The failure that was logged.
    reported: Option<String>,
}

impl TokenFiles {
    /// Reads them for the first time.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let read = read(folder, &Tokens::default())?;
        Ok(Self {
            folder: folder.to_owned(),
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
            let read = tokio::task::spawn_blocking(move || read(&folder, &before)).await;
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
fn read(folder: &Path, before: &Tokens) -> anyhow::Result<Tokens> {
    if !folder.is_dir() {
        return Err(anyhow!(
            "--http-tokens {}: this is no folder",
            folder.display()
        ));
    }
    let mut tokens = Tokens::default();
    for group in Group::GUARDED {
        let path = folder.join(group.name());
        match std::fs::read_to_string(&path) {
            Ok(text) => tokens
                .give(group, &text)
                .map_err(|why| anyhow!("{}: {why}", path.display()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if let Some(known) = before.of(group) {
                    tokens.keep(group, known.clone());
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

    #[test]
    fn what_is_in_the_files_counts_and_what_is_gone_stays_closed() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("gate", "0123456789abcdef\n");
        let mut files = TokenFiles::read(folder.path()).unwrap();
        let tokens = files.tokens();
        let first = tokens.load_full();
        assert!(first.of(Group::Gate).is_some() && first.of(Group::Page).is_none());
        write("gate", "fedcba9876543210\n");
        write("page", "fedcba9876543210\n");
        files.take(read(folder.path(), &tokens.load()));
        let second = tokens.load_full();
        assert_ne!(second.of(Group::Gate), first.of(Group::Gate));
        assert!(second.of(Group::Page).is_some());
        std::fs::remove_file(folder.path().join("page")).unwrap();
        files.take(read(folder.path(), &tokens.load()));
        assert_eq!(**tokens.load(), *second);
        write("gate", "short");
        files.take(read(folder.path(), &tokens.load()));
        assert_eq!(**tokens.load(), *second);
        assert!(files.reported.unwrap().contains("less than 16 characters"));
    }
}
