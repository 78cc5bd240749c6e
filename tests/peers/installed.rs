//! An installation: the chart by the real Helm, into a whole cluster, and the program under the rights that it grants.
//!
//! kwok says that pods are ready and runs nothing in them, so what a pod would run is a process beside the cluster.

use std::{fs, time::Duration};

use anyhow::{Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use tokio::time::Instant;

use crate::{
    deploy::helm::{CHART, NAMESPACE, helm},
    support::{
        fusegate::{Fusegate, FusegateConfig},
        scratch::Scratch,
        servers::{
            apiserver::{SERVICE_TOKEN, TOKEN},
            cluster::Cluster,
        },
    },
};

#[tokio::test]
async fn helm_installs_the_chart_and_what_its_pods_run_is_ready() -> Result<()> {
    let cluster = Cluster::start().await?;
    let path = cluster.api().kubeconfig_path().display().to_string();

    let began = Instant::now();
    let options = ["--create-namespace", "--wait", "--kubeconfig", &path];
    let install = ["install", "fusegate", CHART, "--namespace", NAMESPACE];
    helm([install.as_slice(), &options].concat())?;
    told("helm install --wait", began.elapsed());

    let client = cluster.api().client().await?;
    let deployments = Api::<Deployment>::namespaced(client, NAMESPACE);
    let status = deployments.get("fusegate").await?.status;
    let ready = status.as_ref().and_then(|status| status.ready_replicas);
    ensure!(ready == Some(2), "{status:?}");

    let scratch = Scratch::new("installed")?;
    let kubeconfig = fs::read_to_string(&path)?.replace(TOKEN, SERVICE_TOKEN);
    let kubeconfig = scratch.write("kubeconfig", kubeconfig)?;
    let args = [
        "--source=kube".to_owned(),
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--namespace={NAMESPACE}"),
    ];
    let began = Instant::now();
    let mut fusegate = Fusegate::launch(FusegateConfig::args(args)).await?;
    fusegate.ready().await?;
    told("from the program's start to ready", began.elapsed());
    Ok(())
}

fn told(what: &str, took: Duration) {
    eprintln!("{what}: {:.2} s", took.as_secs_f64());
}
