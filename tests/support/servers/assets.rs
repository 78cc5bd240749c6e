//! The assets: where the servers' programs are, by the same rules as `tests/servers/install.sh`.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};

/// The path of a server's program.
///
/// A folder named by `KUBEBUILDER_ASSETS` goes first, as is the custom in the Kubernetes ecosystem.
///
/// # Errors
/// When the program is nowhere; the message says what to run.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    find(name, Path::is_file)
}

/// The path of a folder that is installed beside the programs.
pub(crate) fn folder(name: &str) -> Result<PathBuf> {
    find(name, Path::is_dir)
}

fn find(name: &str, is: impl Fn(&Path) -> bool) -> Result<PathBuf> {
    let folders = [given("KUBEBUILDER_ASSETS"), cache().map(bin)];
    for folder in folders.iter().flatten() {
        let path = folder.join(name);
        if is(&path) {
            return Ok(path);
        }
    }
    bail!("{name} is not installed: run `make servers` (looked in {folders:?})")
}

fn cache() -> Option<PathBuf> {
    given("FUSEGATE_CACHE")
        .or_else(|| given("XDG_CACHE_HOME").map(|folder| folder.join("fusegate")))
        .or_else(|| given("HOME").map(|folder| folder.join(".cache/fusegate")))
}

fn bin(cache: impl AsRef<Path>) -> PathBuf {
    cache.as_ref().join("servers/bin")
}

fn given(variable: &str) -> Option<PathBuf> {
    env::var_os(variable)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}
