//! A refusal: a proxy takes all of a layer but one key, and the policy says whose that is.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use envoy_types::pb::envoy::service::{
    discovery::v3::DeltaDiscoveryResponse, runtime::v3::Runtime,
};
use prost::Message as _;
use serde_json::json;
use tokio::{sync::watch, task::JoinHandle};
use tonic::Code;

use super::{
    attackers::{Proxy, connect, hello},
    store::Place,
    world::{Opening, Shop},
};

const POLICY: &str = "checkout";
const WORDS: &str = "this runs on old hardware";

/// A proxy that takes no layer with a certain key; no Envoy refuses anything that fusegate can publish.
struct Picky {
    /// Which keys of the layer it holds.
    held: watch::Receiver<Vec<String>>,
    task: JoinHandle<Result<()>>,
}

impl Picky {
    async fn connect(xds: SocketAddr, layer: &str, refuses: String) -> Result<Self> {
        let first = hello("picky", vec![layer.to_owned()]);
        let mut proxy = Proxy::open(connect(xds, None).await?, first).await?;
        let (keep, held) = watch::channel(Vec::new());
        let empty = proxy.next().await?;
        take(&proxy, &empty, &refuses, &keep).await?;
        let task = tokio::spawn(async move {
            loop {
                match proxy.next().await {
                    Ok(response) => take(&proxy, &response, &refuses, &keep).await?,
                    Err(status) if status.code() == Code::DeadlineExceeded => {}
                    Err(status) => return Err(status.into()),
                }
            }
        });
        Ok(Self { held, task })
    }

    fn holds(&self) -> Vec<String> {
        self.held.borrow().clone()
    }
}

impl Drop for Picky {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes a response if the key is in none of its layers.
async fn take(
    proxy: &Proxy,
    response: &DeltaDiscoveryResponse,
    bad: &str,
    keep: &watch::Sender<Vec<String>>,
) -> Result<()> {
    let mut keys = Vec::new();
    for resource in &response.resources {
        let any = resource.resource.as_ref();
        let any = any.context("a resource without content")?;
        let runtime = Runtime::decode(any.value.as_slice())?;
        keys.extend(runtime.layer.unwrap_or_default().fields.into_keys());
    }
    if keys.iter().any(|key| key == bad) {
        return proxy.answer(response, Some(WORDS)).await;
    }
    keep.send_replace(keys);
    proxy.answer(response, None).await
}

#[tokio::test]
async fn a_key_that_one_proxy_refuses_is_named_and_all_else_reaches_it() -> Result<()> {
    let opening = Opening::at(Place::Folder).policy(POLICY, json!({"maxOpenPercent": 100}));
    let shop = opening.object("front").object("back").open().await?;
    let layer = shop.documents.namespace.clone();
    let (front, back) = (shop.shed_key("front"), shop.shed_key("back"));
    let picky = Picky::connect(shop.store.fusegate().xds(), &layer, front.clone()).await?;

    shop.trip(POLICY, "front").await?;
    let refused = ("Programmed", "False", "Rejected");
    // Until its key is found, the refusal is told with the words alone.
    shop.wait("the refused key to be named", async || {
        let message = shop
            .wait_condition("CircuitPolicy", POLICY, refused)
            .await?;
        for part in ["1 of 2 proxies", "picky", &front, "object front", WORDS] {
            ensure!(message.contains(part), "{part} is not named in: {message}");
        }
        Ok(())
    })
    .await?;
    shop.wait_answer("front", 503).await?;

    // What is good reaches the picky one too, though the bad key stands beside it.
    shop.trip(POLICY, "back").await?;
    shop.wait("the other key on both", async || {
        ensure!(picky.holds() == [back.clone()], "{:?}", picky.holds());
        Ok(())
    })
    .await?;
    shop.wait_answer("back", 503).await?;
    shop.wait_condition("CircuitPolicy", POLICY, refused)
        .await?;

    shop.order("by-hand", POLICY, Some("front"), "ForcedClosed")
        .await?;
    acknowledged(&shop).await
}

/// Both proxies hold all of the layer.
async fn acknowledged(shop: &Shop) -> Result<()> {
    shop.wait("both proxies to be counted", async || {
        let status = shop.store.status("CircuitPolicy", POLICY).await?;
        let counted = (&status["proxies"], &status["acked"]);
        ensure!(counted == (&json!(2), &json!(2)), "{status}");
        Ok(())
    })
    .await?;
    let acked = ("Programmed", "True", "Acked");
    shop.wait_condition("CircuitPolicy", POLICY, acked).await?;
    Ok(())
}
