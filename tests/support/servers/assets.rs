//! The assets: where the servers' programs are, by the same rules as `tests/servers/install.sh`.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

/// The path of a server's program.
///
/// A folder named by `KUBEBUILDER_ASSETS` goes first, as is the custom in the Kubernetes ecosystem.
///
/// # Errors
/// When the program is nowhere; the message says what to run.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let folders = [given("KUBEBUILDER_ASSETS"), cache().map(bin)];
    for folder in folders.iter().flatten() {
        let path = folder.join(name);
        if path.is_file() {
            return Ok(path);
        }
    }
    bail!("{name} is not installed: run `make servers` (looked in {folders:?})")
}

/// The CRDs that a controller comes with.
pub(crate) fn crds(name: &str) -> Result<Vec<CustomResourceDefinition>> {
    let program = program(name)?.canonicalize()?;
    let folder = program.with_file_name("crds");
    let files = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut crds = Vec::new();
    for file in files {
        let documents = fs::read_to_string(file?.path())?;
        crds.extend(serde_saphyr::from_multiple::<CustomResourceDefinition>(
            &documents,
        )?);
    }
    Ok(crds)
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
