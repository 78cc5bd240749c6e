//! A release of the chart in a real API server: installed, upgraded with its CRDs, and uninstalled without them.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, ResourceExt as _};
use serde_json::json;

use super::helm::{CHART, NAMESPACE, helm};
use super::path;
use crate::support::scratch::Scratch;
use crate::support::servers::apiserver::ApiServer;

const CRD: &str = "circuitoverrides.fusegate.io";

/// `helm ACTION fusegate …` in a server. Nothing runs pods there, so it does not wait for them.
fn release(server: &ApiServer, action: &str, more: &[&str]) -> Result<String> {
    let kubeconfig = server.kubeconfig_path().display().to_string();
    let args = ["--namespace", NAMESPACE, "--kubeconfig", &kubeconfig];
    helm(
        [action, "fusegate"]
            .into_iter()
            .chain(more.iter().copied())
            .chain(args),
    )
}

/// A copy of the chart whose CRDs say something new.
fn changed(scratch: &Scratch) -> Result<String> {
    let copy = scratch.path().join("fusegate");
    copy_folder(&path(CHART), &copy)?;
    let crd = copy.join("files/crds/fusegate.io_circuitoverrides.yaml");
    let text = fs::read_to_string(&crd)?;
    let added = text.replacen(
        "    shortNames:\n    - covr\n",
        "    shortNames:\n    - covr\n    - newer\n",
        1,
    );
    ensure!(added != text, "no short names in {}", crd.display());
    fs::write(&crd, added)?;
    Ok(copy.display().to_string())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

async fn image(deployments: &Api<Deployment>) -> Result<String> {
    let spec = deployments.get("fusegate").await?.spec;
    let pod = spec.context("no spec")?.template.spec;
    let container = pod.context("no pod")?.containers.remove(0);
    container.image.context("no image")
}

/// An object of one of our kinds.
fn an_override() -> Result<DynamicObject> {
    Ok(serde_json::from_value(json!({
        "apiVersion": "fusegate.io/v1alpha1",
        "kind": "CircuitOverride",
        "metadata": {"name": "kept"},
        "spec": {"policy": "checkout", "state": "Observe", "until": "2040-01-01T00:00:00Z", "reason": "an upgrade"},
    }))?)
}

#[tokio::test]
async fn a_release_brings_its_crds_up_to_date_and_leaves_them_behind() -> Result<()> {
    let server = ApiServer::start().await?;
    let client = server.client().await?;
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let short_names = async || -> Result<Vec<String>> {
        Ok(crds
            .get(CRD)
            .await?
            .spec
            .names
            .short_names
            .unwrap_or_default())
    };
    let scratch = Scratch::new("chart")?;
    let newer = changed(&scratch)?;

    // One of them was applied by hand before.
    let there = super::read("crds/fusegate.io_circuitoverrides.yaml");
    server.establish(&serde_saphyr::from_str(&there)?).await?;
    let told = release(&server, "install", &[CHART, "--create-namespace"]);
    let told = told.expect_err("it takes what is not its own").to_string();
    ensure!(told.contains(CRD) && told.contains("ownership"), "{told}");
    let notes = release(
        &server,
        "install",
        &[CHART, "--create-namespace", "--take-ownership"],
    )?;
    ensure!(notes.contains("deployment/fusegate"), "{notes}");
    assert_eq!(short_names().await?, ["covr"]);
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    assert_eq!(
        image(&deployments).await?,
        format!("fusegate:{}", env!("CARGO_PKG_VERSION"))
    );

    // Whoever applied it by hand still owns what it has, until the first upgrade says otherwise.
    let upgrade = [&*newer, "--set", "image.tag=next", "--force-conflicts"];
    release(&server, "upgrade", &upgrade)?;
    assert_eq!(short_names().await?, ["covr", "newer"]);
    assert_eq!(image(&deployments).await?, "fusegate:next");
    // Back again.
    release(&server, "rollback", &["1"])?;
    assert_eq!(short_names().await?, ["covr"]);

    let kind = GroupVersionKind::gvk("fusegate.io", "v1alpha1", "CircuitOverride");
    let resource = ApiResource::from_gvk(&kind);
    let overrides: Api<DynamicObject> = Api::namespaced_with(client.clone(), NAMESPACE, &resource);
    let kept = an_override()?;
    overrides.create(&PostParams::default(), &kept).await?;
    release(&server, "uninstall", &[])?;
    ensure!(
        deployments.get_opt("fusegate").await?.is_none(),
        "the Deployment is still there"
    );
    assert_eq!(overrides.get("kept").await?.name_any(), "kept");
    // A new release takes them over.
    release(&server, "install", &[&newer])?;
    assert_eq!(short_names().await?, ["covr", "newer"]);
    Ok(())
}
