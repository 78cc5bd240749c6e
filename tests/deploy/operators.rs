//! The kinds of operators: what we ship for Prometheus's, cert-manager, Istio and Envoy Gateway is legal by their own CRDs.

use std::fs;

use anyhow::{Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

use super::helm::rendered;
use super::{cluster, documents};
use crate::support::servers::apiserver::ApiServer;
use crate::support::servers::apply::{Keep, apply};
use crate::support::servers::assets;

/// The files with the operators' CRDs, and the kinds of them that we ship objects of.
const CRDS: [(&str, &[&str]); 7] = [
    ("monitoring.coreos.com_servicemonitors", &["ServiceMonitor"]),
    ("monitoring.coreos.com_podmonitors", &["PodMonitor"]),
    ("monitoring.coreos.com_prometheusrules", &["PrometheusRule"]),
    ("cert-manager.io_certificates", &["Certificate"]),
    ("cert-manager.io_issuers", &["Issuer"]),
    ("gateway.envoyproxy.io_envoyproxies", &["EnvoyProxy"]),
    ("customresourcedefinitions.gen", &["EnvoyFilter"]),
];

/// The CRDs of those kinds.
fn crds() -> Result<Vec<CustomResourceDefinition>> {
    let mut found = Vec::new();
    for (file, kinds) in CRDS {
        let path = assets::folder("operator-crds")?.join(format!("{file}.yaml"));
        // One of them stands in a chart, with a condition around the whole.
        let text = fs::read_to_string(path)?;
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with("{{"))
            .collect();
        let crds: Vec<Value> = serde_saphyr::from_multiple(&lines.join("\n"))?;
        for crd in crds {
            if kinds
                .iter()
                .any(|kind| crd["spec"]["names"]["kind"] == *kind)
            {
                found.push(serde_json::from_value(crd)?);
            }
        }
    }
    assert_eq!(found.len(), CRDS.len());
    Ok(found)
}

/// Everything that we ship of those kinds.
fn objects() -> Result<Vec<Value>> {
    let values = "
xds: {certificates: {from: CertManager, clients: [{name: edge, uri: 'spiffe://cluster.local/ns/shop/sa/edge'}]}}
webhook: {certificates: {from: CertManager}}
monitoring: {prometheusRule: true, interval: 15s, labels: {release: kps}, MONITOR: true}
";
    let mut all = Vec::new();
    for monitor in ["serviceMonitor", "podMonitor"] {
        all.extend(rendered(&values.replace("MONITOR", monitor))?);
    }
    for file in ["envoy/istio", "envoy/envoy-gateway"] {
        all.extend(documents(&format!("deploy/{file}.yaml")));
    }
    let ours = CRDS.iter().flat_map(|(_, kinds)| *kinds);
    let ours: Vec<&str> = ours.copied().collect();
    all.retain(|document| ours.iter().any(|kind| document["kind"] == *kind));
    for kind in ours {
        let there = all.iter().any(|document| document["kind"] == kind);
        ensure!(there, "nothing of kind {kind}");
    }
    Ok(all)
}

#[tokio::test]
async fn each_operator_takes_what_is_shipped_for_it() -> Result<()> {
    let server = ApiServer::start().await?;
    for crd in crds()? {
        server.establish(&crd).await?;
    }
    let client = server.client().await?;
    cluster::namespace(&client).await?;
    for mut document in objects()? {
        document["metadata"]["namespace"] = json!("fusegate-system");
        apply(&client, "fusegate-system", &document, Keep::No).await?;
    }
    // What it would not take.
    let mut wrong = rendered("monitoring: {podMonitor: true}")?;
    wrong.retain(|document| document["kind"] == "PodMonitor");
    wrong[0]["spec"]["endpoints"] = json!([]);
    let told = apply(&client, "fusegate-system", &wrong[0], Keep::No).await;
    let told = format!("{:#}", told.expect_err("it takes anything"));
    ensure!(told.contains("spec.endpoints"), "{told}");
    Ok(())
}
