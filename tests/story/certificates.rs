//! Certificates that somebody else makes for the webhook, as cert-manager does.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use fusegate_crds::AdmissionMode;
use k8s_openapi::{
    ByteString,
    api::{admissionregistration::v1::ValidatingWebhookConfiguration, core::v1::Secret},
};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::{
    admission::{By, READY, ask},
    store::Place,
    webhook::{denied, wait_asked},
    world::{Opening, Shop},
};
use crate::support::servers::authority::Authority;

const POLICY: &str = "checkout";
const SECRET: &str = "made-elsewhere";

/// Stores a certificate for a host, as cert-manager does.
async fn store(secrets: &Api<Secret>, authority: &Authority, host: &str) -> Result<()> {
    let issued = authority.for_host(host)?;
    let fields = [
        ("tls.crt", issued.certificate),
        ("tls.key", issued.key),
        ("ca.crt", authority.pem().to_owned()),
    ];
    let data: BTreeMap<&str, ByteString> = fields
        .into_iter()
        .map(|(name, text)| (name, ByteString(text.into_bytes())))
        .collect();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {"name": SECRET}, "data": data,
    });
    let apply = PatchParams::apply("somebody-else").force();
    secrets.patch(SECRET, &apply, &Patch::Apply(secret)).await?;
    Ok(())
}

/// Waits until the contract says why admission is not enforced.
async fn wait_unready(shop: &Shop, why: &str) -> Result<()> {
    shop.wait(why, async || {
        let status = shop.contract_status().await?;
        let conditions = status["conditions"].as_array().context("no conditions")?;
        let found = conditions.iter().find(|each| each["type"] == READY);
        let found = found.context("not said")?;
        let message = found["message"].as_str().unwrap_or_default();
        ensure!(
            found["status"] == "False" && message.contains(why),
            "{found}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_certificate_that_is_made_elsewhere_is_used_and_followed() -> Result<()> {
    let opening = Opening::at(Place::OwnCluster)
        .policy(POLICY, json!({"trip": {"illegal": "Unknown"}}))
        .arg(format!("--webhook-secret={SECRET}"));
    let mut shop = opening.object("front").open().await?;
    let client = shop.store.own()?.server.client().await?;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), "fusegate-system");
    let (contract, deny) = (
        shop.documents.crd_name(),
        json!({"spec": {"admission": {"mode": "Deny", "by": "Webhook"}}}),
    );
    shop.store
        .edit("ConditionContract", &contract, &deny)
        .await?;
    wait_unready(&shop, "there is no Secret made-elsewhere").await?;
    let authority = Authority::new()?;
    store(&secrets, &authority, "elsewhere.example.com").await?;
    wait_unready(&shop, "is not for 127.0.0.1").await?;

    store(&secrets, &authority, "127.0.0.1").await?;
    ask(&shop, AdmissionMode::Deny, By::Webhook).await?;
    denied(&shop, 1.5).await?;

    // Another authority: what it signs is used, and the API server is told of it.
    let next = Authority::new()?;
    store(&secrets, &next, "127.0.0.1").await?;
    wait_told(&shop, &Api::all(client), &next).await?;
    shop.store.own_fusegate()?.restart().await?;
    wait_asked(&shop).await?;
    denied(&shop, 1.6).await?;
    let own = secrets.get_opt("fusegate-webhook").await?;
    ensure!(own.is_none(), "fusegate made certificates all the same");
    Ok(())
}

/// Waits until the API server is told of an authority.
async fn wait_told(
    shop: &Shop,
    webhooks: &Api<ValidatingWebhookConfiguration>,
    authority: &Authority,
) -> Result<()> {
    shop.wait("the API server to be told", async || {
        let webhooks = webhooks.get("fusegate").await?.webhooks;
        let mut clients = webhooks.iter().flatten().map(|each| &each.client_config);
        let told = clients.next().and_then(|client| client.ca_bundle.as_ref());
        ensure!(told.context("nobody")?.0 == authority.pem().as_bytes());
        Ok(())
    })
    .await
}
