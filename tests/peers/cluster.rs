//! The cluster itself: what a Deployment asks for comes about, and controllers of others run in it.

use std::time::Duration;

use anyhow::{Result, ensure};
use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Pod},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api,
    api::{DeleteParams, ListParams, PostParams},
};
use rstest::rstest;
use serde_json::json;

use crate::support::{servers::cluster::Cluster, wait::eventually};

const SOON: Duration = Duration::from_mins(2);

fn deployment(replicas: u32) -> Result<Deployment> {
    let labels = json!({"app": "shop"});
    Ok(serde_json::from_value(json!({
        "metadata": {"name": "shop"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "shop", "image": "shop"}]},
            },
        },
    }))?)
}

#[tokio::test]
async fn a_deployment_gets_its_pods_ready_and_takes_them_along_when_deleted() -> Result<()> {
    let cluster = Cluster::start().await?;
    let namespace = cluster.api().namespace("peers").await?;
    let client = cluster.api().client().await?;
    let deployments = Api::<Deployment>::namespaced(client.clone(), &namespace);
    let pods = Api::<Pod>::namespaced(client, &namespace);

    deployments
        .create(&PostParams::default(), &deployment(2)?)
        .await?;

    eventually("both replicas to be ready", SOON, async || {
        let status = deployments.get_status("shop").await?.status;
        let ready = status.as_ref().and_then(|status| status.ready_replicas);
        ensure!(ready == Some(2), "{status:?}");
        Ok(())
    })
    .await?;
    assert_eq!(pods.list(&ListParams::default()).await?.items.len(), 2);

    deployments.delete("shop", &DeleteParams::default()).await?;
    eventually("its pods to go", SOON, async || {
        let left = pods.list(&ListParams::default()).await?.items.len();
        ensure!(left == 0, "{left} pods");
        Ok(())
    })
    .await
}

#[rstest]
#[case::flagger("flagger", &[("mesh-provider", "kubernetes")], "canaries.flagger.app", "Started operator workers")]
#[case::argo("argo-rollouts", &[("leader-elect", "false")], "rollouts.argoproj.io", "Started rollout workers")]
#[tokio::test]
async fn a_controller_of_others_has_its_crds_and_begins_to_work(
    #[case] name: &'static str,
    #[case] flags: &[(&str, &str)],
    #[case] crd: &str,
    #[case] begun: &str,
) -> Result<()> {
    let cluster = Cluster::start().await?;

    let controller = cluster.run(name, flags).await?;

    let crds = Api::<CustomResourceDefinition>::all(cluster.api().client().await?);
    crds.get(crd).await?;
    eventually("it to begin", SOON, async || {
        let log = controller.log()?;
        ensure!(log.contains(begun), "{log}");
        Ok(())
    })
    .await
}
