//! Helm: the chart, rendered by the real program.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::path;
use crate::support::http::PROXY_VARIABLES;
use crate::support::scratch::Scratch;
use crate::support::servers::assets;

pub(crate) const CHART: &str = "deploy/helm/fusegate";
pub(crate) const NAMESPACE: &str = "fusegate-system";

/// The oldest Kubernetes that is supported; templates see its version.
const KUBERNETES: &str = "1.32.0";

/// What Helm prints; its failure is what it says on standard error.
pub(crate) fn helm<A: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = A>) -> Result<String> {
    // Its caches and its configuration are of no use, and those of whoever runs the tests are not ours.
    let home = Scratch::new("helm")?;
    let mut command = Command::new(assets::program("helm")?);
    for variable in PROXY_VARIABLES {
        command.env_remove(variable);
    }
    let output = command
        .args(args)
        .envs(
            ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"]
                .map(|name| (name, home.path())),
        )
        .current_dir(path("."))
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{told}");
    Ok(String::from_utf8(output.stdout)?)
}

/// The manifests as text, with values files and more arguments.
pub(super) fn template(values: &[&Path], more: &[&str]) -> Result<String> {
    let mut args = vec![
        "template",
        "fusegate",
        CHART,
        "--namespace",
        NAMESPACE,
        "--kube-version",
        KUBERNETES,
    ];
    for file in values {
        args.extend(["--values", file.to_str().context("no text")?]);
    }
    args.extend(more);
    helm(args)
}

/// The manifests with values written as YAML.
pub(super) fn rendered(values: &str) -> Result<Vec<Value>> {
    let scratch = Scratch::new("values")?;
    let file = scratch.write("values.yaml", values)?;
    let text = template(&[&file], &[])?;
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text)?;
    Ok(documents
        .into_iter()
        .filter(|document| !document.is_null())
        .collect())
}

/// The manifests of one kind.
pub(super) fn of_kind<'a>(documents: &'a [Value], kind: &str) -> Vec<&'a Value> {
    documents
        .iter()
        .filter(|document| document["kind"] == kind)
        .collect()
}
