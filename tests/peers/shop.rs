//! A shop: the manifests of `deploy/` in a namespace of its own, with the addresses and the waits that a scenario needs.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use kube::{
    Api, Client,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
    core::GroupVersionKind,
    discovery,
};
use serde_json::{Value, json};

use super::{
    manifests::{merge, text},
    world::{self, SOON, World},
};
use crate::support::{
    fusegate::Fusegate,
    wait::{eventually, pace, throughout},
};

/// Long enough for a controller to look twice.
const HELD: Duration = Duration::from_secs(25);

/// Between two looks at many objects, which would otherwise be what the API server has most to do with.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// Between two reports, so that each is judged.
const REPORT_EVERY: Duration = Duration::from_millis(200);

/// What `deploy/` says fusegate's address is.
const ADDRESS: &str = "http://fusegate.fusegate-system.svc:8080";

/// One scenario's namespace, with the example's policy and its object `checkout`.
pub(super) struct Shop {
    pub(super) world: &'static World,
    pub(super) namespace: String,
    /// Where release tools are sent to.
    gate: String,
    client: Client,
}

impl Shop {
    /// A shop whose object reports nothing yet, and whose circuit opens for long.
    pub(super) async fn open(name: &str) -> Result<Self> {
        Self::open_with(name, &json!({})).await
    }

    /// The same, with a patch of its policy.
    pub(super) async fn open_with(name: &str, policy: &Value) -> Result<Self> {
        let world = World::shared().await?;
        let shop = Self {
            world,
            namespace: world.namespace(name).await?,
            gate: world.fusegate.url(""),
            client: world.client().await?,
        };
        let mut recovery = json!({"spec": {
            "trip": {"resample": "0s"},
            "open": {"minimum": "10m", "maximum": "30m"},
            // It stays HalfOpen until several Good were reported, and is not tried while Bad stands.
            "halfOpen": {"admitPercent": [50], "settle": "0s", "successes": 5, "timeout": "10m", "begin": "Evidence"},
        }});
        merge(&mut recovery, policy);
        shop.apply("examples/policy", &recovery).await?;
        shop.apply("examples/storefront", &json!({})).await?;
        Ok(shop)
    }

    /// From now on, manifests send release tools to this address.
    pub(super) fn send_to(&mut self, url: String) {
        self.gate = url;
    }

    fn fusegate(&self) -> &Fusegate {
        &self.world.fusegate
    }

    /// Applies a file of `deploy/` here; the patch is merged into its last document.
    pub(super) async fn apply(&self, file: &str, patch: &Value) -> Result<()> {
        self.apply_text(&text(file)?, patch).await
    }

    /// The same under another name.
    pub(super) async fn apply_renamed(
        &self,
        file: &str,
        (from, to): (&str, &str),
        patch: &Value,
    ) -> Result<()> {
        self.apply_text(&text(file)?.replace(from, to), patch).await
    }

    async fn apply_text(&self, text: &str, patch: &Value) -> Result<()> {
        let text = self
            .addressed(text)
            .replace("namespace: shop", &format!("namespace: {}", self.namespace))
            .replace("layer: shop", &format!("layer: {}", self.namespace))
            .replace("shop-{name}", "{namespace}-{name}");
        let mut documents: Vec<Value> = serde_saphyr::from_multiple(&text)?;
        if let Some(last) = documents.last_mut() {
            merge(last, patch);
        }
        for document in &documents {
            self.apply_document(document).await?;
        }
        Ok(())
    }

    /// Applies a document here.
    pub(super) async fn apply_document(&self, document: &Value) -> Result<()> {
        world::apply(&self.client, &self.namespace, document).await
    }

    /// A text of `deploy/` or of a page with the addresses that hold here.
    pub(super) fn addressed(&self, text: &str) -> String {
        text.replace(ADDRESS, self.gate.trim_end_matches('/'))
            .replace("namespace=shop", &format!("namespace={}", self.namespace))
    }

    /// Merges a patch into an object.
    pub(super) async fn patch(&self, kind: &str, name: &str, patch: &Value) -> Result<()> {
        let params = PatchParams::default();
        let patched = self.api(kind).await?;
        patched.patch(name, &params, &Patch::Merge(patch)).await?;
        Ok(())
    }

    /// Merges a patch into an object's status.
    pub(super) async fn patch_status(&self, kind: &str, name: &str, patch: &Value) -> Result<()> {
        let params = PatchParams::default();
        let patched = self.api(kind).await?;
        patched
            .patch_status(name, &params, &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    /// Deletes an object.
    pub(super) async fn delete(&self, kind: &str, name: &str) -> Result<()> {
        let deleted = self.api(kind).await?;
        deleted.delete(name, &DeleteParams::default()).await?;
        Ok(())
    }

    /// An object as JSON.
    pub(super) async fn get(&self, kind: &str, name: &str) -> Result<Value> {
        Ok(serde_json::to_value(
            self.api(kind).await?.get(name).await?,
        )?)
    }

    /// All objects of a kind in this namespace, as JSON.
    pub(super) async fn list(&self, kind: &str) -> Result<Vec<Value>> {
        let all = self.api(kind).await?.list(&ListParams::default()).await?;
        let values = all.items.into_iter().map(serde_json::to_value);
        Ok(values.collect::<Result<_, _>>()?)
    }

    async fn api(&self, kind: &str) -> Result<Api<DynamicObject>> {
        let (group, version) = match kind {
            "Canary" => ("flagger.app", "v1beta1"),
            "Rollout" | "AnalysisRun" => ("argoproj.io", "v1alpha1"),
            "Deployment" => ("apps", "v1"),
            "Event" => ("events.k8s.io", "v1"),
            "Storefront" => ("shop.example.com", "v1"),
            _ => ("fusegate.io", "v1alpha1"),
        };
        let kind = GroupVersionKind::gvk(group, version, kind);
        let (resource, _) = discovery::pinned_kind(&self.client, &kind).await?;
        let client = self.client.clone();
        Ok(Api::namespaced_with(client, &self.namespace, &resource))
    }

    /// Ends what release tools would go on looking at.
    pub(super) async fn end(&self) -> Result<()> {
        for kind in ["Canary", "Rollout"] {
            let all = self.api(kind).await?;
            all.delete_collection(&DeleteParams::default(), &ListParams::default())
                .await?;
        }
        Ok(())
    }

    /// Reports conditions, whatever they are, without waiting for what comes of it.
    pub(super) async fn report(&self, conditions: &Value) -> Result<()> {
        self.report_of("checkout", conditions).await
    }

    /// The same of another object.
    pub(super) async fn report_of(&self, object: &str, conditions: &Value) -> Result<()> {
        let status = json!({"status": {"conditions": conditions}});
        self.patch_status("Storefront", object, &status).await
    }

    /// Reports good latencies until the gate says Closed.
    pub(super) async fn close(&self) -> Result<()> {
        let mut latency = 100;
        eventually("the gate to be Closed", SOON, async || {
            latency += 1;
            let good = json!({"network-latency": format!("{latency}ms"), "error-rate": 0.01});
            self.report(&good).await?;
            pace(REPORT_EVERY).await;
            let answer = self.gate_answer().await?;
            ensure!(answer["state"] == "Closed", "{answer}");
            Ok(())
        })
        .await
    }

    /// Reports three latencies over the limit, and waits until the circuit is Open.
    pub(super) async fn trip(&self) -> Result<()> {
        self.break_object("checkout").await?;
        self.wait_gate("Open").await
    }

    /// Reports three latencies over the limit, and waits until the evidence alone would open the circuit.
    pub(super) async fn break_object(&self, object: &str) -> Result<()> {
        for (index, latency) in ["300ms", "310ms", "320ms"].iter().enumerate() {
            self.report_of(
                object,
                &json!({"network-latency": latency, "error-rate": 0.01}),
            )
            .await?;
            eventually("the report to be judged", SOON, async || {
                let circuit = self.circuit(object).await?;
                let streak = circuit["rules"][0]["streak"].as_u64();
                let judged = streak == Some(index as u64 + 1) || circuit["shadow"] != "Closed";
                ensure!(judged, "{circuit}");
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// The circuit of an object.
    pub(super) async fn circuit(&self, object: &str) -> Result<Value> {
        let path = format!("v1/circuits?namespace={}", self.namespace);
        let page = self.fusegate().get_json(&path).await?;
        let mut items = page["items"].as_array().into_iter().flatten();
        let found = items.find(|circuit| circuit["object"] == object);
        found.cloned().with_context(|| format!("none in {page}"))
    }

    /// Orders a state until further notice.
    pub(super) async fn order(&self, state: &str) -> Result<()> {
        let patch = json!({"spec": {"state": state}});
        self.apply("examples/override", &patch).await
    }

    /// Takes the order back.
    pub(super) async fn withdraw(&self) -> Result<()> {
        self.delete("CircuitOverride", "checkout-false-alarm").await
    }

    /// What the gate of the policy says, in full.
    pub(super) async fn gate_answer(&self) -> Result<Value> {
        let path = format!("v1/gate/{}/checkout", self.namespace);
        self.fusegate().get_json(&path).await
    }

    /// Waits until the gate of the policy is in a state.
    pub(super) async fn wait_gate(&self, state: &str) -> Result<()> {
        eventually(&format!("the gate to be {state}"), SOON, async || {
            let answer = self.gate_answer().await?;
            ensure!(answer["state"] == state, "{answer}");
            Ok(())
        })
        .await
    }

    /// Waits until an object is as the test on it says.
    pub(super) async fn wait(
        &self,
        kind: &str,
        name: &str,
        how: &str,
        is: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let what = format!("{kind} {}/{name} {how}", self.namespace);
        eventually(&what, SOON, async || {
            let object = self.get(kind, name).await?;
            ensure!(is(&object), "{}", object["status"]);
            Ok(object)
        })
        .await
    }

    /// Waits until all objects of a kind are as the test on them says.
    pub(super) async fn wait_all(
        &self,
        kind: &str,
        how: &str,
        is: impl Fn(&Value) -> bool,
    ) -> Result<()> {
        let what = format!("every {kind} of {} {how}", self.namespace);
        eventually(&what, SOON, async || {
            pace(LOOK_EVERY).await;
            self.all_are(kind, &is).await
        })
        .await
    }

    /// Fails unless all objects of a kind stay as the test on them says while their controller looks twice.
    pub(super) async fn all_hold(&self, kind: &str, is: impl Fn(&Value) -> bool) -> Result<()> {
        self.all_hold_for(kind, HELD, is).await
    }

    /// The same for this long.
    pub(super) async fn all_hold_for(
        &self,
        kind: &str,
        lasting: Duration,
        is: impl Fn(&Value) -> bool,
    ) -> Result<()> {
        let what = format!("every {kind} of {} to be held", self.namespace);
        throughout(&what, lasting, async || self.all_are(kind, &is).await).await
    }

    async fn all_are(&self, kind: &str, is: &impl Fn(&Value) -> bool) -> Result<()> {
        let all = self.list(kind).await?;
        ensure!(!all.is_empty(), "no {kind}");
        for object in &all {
            let name = &object["metadata"]["name"];
            ensure!(is(object), "{name}: {}", object["status"]);
        }
        Ok(())
    }

    /// All Events with this reason that stand on an object.
    pub(super) async fn events(&self, kind: &str, name: &str, reason: &str) -> Result<Vec<Value>> {
        let mut events = self.list("Event").await?;
        events.retain(|event| {
            event["regarding"]["kind"] == kind
                && event["regarding"]["name"] == name
                && event["reason"] == reason
        });
        Ok(events)
    }

    /// Waits until an Event with this reason stands on an object.
    pub(super) async fn wait_event(&self, kind: &str, name: &str, reason: &str) -> Result<Value> {
        eventually(&format!("{reason} on {kind} {name}"), SOON, async || {
            let events = self.events(kind, name, reason).await?;
            events.into_iter().next().context("none")
        })
        .await
    }

    /// What the policy's status says of mistakes in questions.
    pub(super) async fn misasked(&self) -> Result<String> {
        let policy = self.get("CircuitPolicy", "checkout").await?;
        let conditions = policy["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        let found = conditions.find(|condition| condition["type"] == "GateMisasked");
        let message = found.and_then(|found| found["message"].as_str());
        Ok(message.unwrap_or_default().to_owned())
    }

    /// Waits until the policy's status says that this caller asks by mistake.
    pub(super) async fn wait_misasked(&self, caller: &str) -> Result<()> {
        eventually(&format!("the policy to name {caller}"), SOON, async || {
            let told = self.misasked().await?;
            ensure!(told.contains(caller), "{told}");
            Ok(())
        })
        .await
    }
}
