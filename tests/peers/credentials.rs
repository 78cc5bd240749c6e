//! Credentials: a replica that asks release tools for a token, over TLS, and how the real ones get in.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::{
    canaries::{succeeded, waits},
    manifests,
    rollouts::TEMPLATES,
    shop::Shop,
    world::World,
};
use crate::support::{fusegate::Fusegate, scratch::Scratch};

const TOKEN: &str = "a-token-of-the-test-0123456789";

/// A replica whose gates ask for a token, over TLS, and its files.
async fn guarded(name: &str) -> Result<(Fusegate, Scratch)> {
    let world = World::shared().await?;
    let files = Scratch::new("guarded")?;
    let issued = world.authority.for_host("localhost")?;
    let cert = files.write("tls.crt", &issued.certificate)?;
    let key = files.write("tls.key", &issued.key)?;
    let tokens = files.path().join("tokens");
    fs::create_dir(&tokens)?;
    fs::write(tokens.join("gate"), TOKEN)?;
    let args = [
        format!("--http-tls-cert={}", cert.display()),
        format!("--http-tls-key={}", key.display()),
        format!("--http-tokens={}", tokens.display()),
    ];
    Ok((world.replica_over_tls(name, args).await?, files))
}

#[tokio::test]
async fn flagger_gets_in_by_the_token_in_its_url_and_waits_without() -> Result<()> {
    let (replica, _files) = guarded("guarded-flagger").await?;
    let mut shop = Shop::open("peers-token").await?;
    let url = replica.url("");
    shop.send_to(url.clone());
    shop.begin_named("stranger", &json!({})).await?;
    let hook = manifests::of_page("name: fusegate may start, with a token")?;
    let hook = hook[0]["url"].as_str().context("no url")?;
    let (user, _) = hook.split_once(":TOKEN@").context("no token")?;
    ensure!(user == "https://flagger", "{hook}");
    shop.send_to(url.replace("https://", &format!("{user}:{TOKEN}@")));
    shop.begin_named("basket", &json!({})).await?;
    shop.wait_begun().await?;
    shop.close().await?;
    shop.release_all().await?;
    shop.wait("Canary", "basket", "to succeed", succeeded)
        .await?;
    let stranger = shop.get("Canary", "stranger").await?;
    ensure!(waits(&stranger), "{}", stranger["status"]);
    let refused = "fusegate_http_refused_total{reason=\"Unproven\"}";
    ensure!(replica.metric(refused).await? >= 1.0);
    shop.assert_nothing_counted().await?;
    // Whoever reads the Canary reads the token; Flagger writes it nowhere else.
    let events = json!(shop.list("Event").await?).to_string();
    ensure!(!events.contains(TOKEN), "{events}");
    ensure!(!shop.world.flagger.log()?.contains(TOKEN));
    ensure!(!replica.log()?.contains(TOKEN));
    shop.end().await
}

#[tokio::test]
async fn argo_rollouts_gets_in_by_a_header_whose_token_is_in_a_secret() -> Result<()> {
    let (replica, _files) = guarded("guarded-argo").await?;
    let mut shop = Shop::open("argo-token").await?;
    shop.send_to(replica.url(""));
    shop.close().await?;
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "fusegate-token", "namespace": shop.namespace},
        "stringData": {"token": TOKEN},
    });
    shop.apply_document(&secret).await?;
    let mut metrics = shop.metrics(TEMPLATES[0])?;
    shop.analyze("stranger", &metrics, "").await?;
    let measured = shop.measured("stranger").await?;
    ensure!(measured["phase"] == "Error", "{measured}");
    let message = measured["message"].as_str().unwrap_or_default();
    ensure!(message.contains("401"), "{measured}");
    let template = manifests::of_page("secretKeyRef")?;
    metrics[0]["provider"]["web"]["headers"] =
        template["metrics"][0]["provider"]["web"]["headers"].clone();
    let token = template["args"].as_array().context("no args")?;
    shop.analyze_with("known", &metrics, "", token).await?;
    let measured = shop.measured("known").await?;
    ensure!(measured["phase"] == "Successful", "{measured}");
    let runs = json!(shop.list("AnalysisRun").await?).to_string();
    ensure!(!runs.contains(TOKEN), "{runs}");
    ensure!(!shop.world.argo.log()?.contains(TOKEN));
    Ok(())
}
