//! Canaries: the rows of the table in `docs/gates.md`, and what is done with them and asked of them.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{manifests::merge, shop::Shop};

/// A strategy and a provider of Flagger's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strategy {
    /// Weights that are shifted, by Gateway API.
    Weights,
    /// Users who are told apart by a header, by Gateway API.
    AbTesting,
    /// All traffic at once, by Gateway API.
    BlueGreenGateway,
    /// All traffic at once, by Kubernetes alone.
    BlueGreenKubernetes,
}

impl Strategy {
    pub(super) const ALL: [Self; 4] = [
        Self::Weights,
        Self::AbTesting,
        Self::BlueGreenGateway,
        Self::BlueGreenKubernetes,
    ];

    /// Its canary's name, which is its Deployment's too.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Weights => "checkout",
            Self::AbTesting => "search",
            Self::BlueGreenGateway => "basket-edge",
            Self::BlueGreenKubernetes => "basket",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Weights => "flagger/canary",
            Self::AbTesting => "flagger/ab-testing",
            Self::BlueGreenGateway | Self::BlueGreenKubernetes => "flagger/blue-green",
        }
    }

    /// As often as Flagger looks at all, and so many steps.
    fn patch(self, steps: u32) -> Value {
        let analysis = match self {
            Self::Weights => json!({"interval": "10s", "stepWeight": 50 / steps}),
            _ => json!({"interval": "10s", "iterations": steps}),
        };
        let mut patch = json!({"spec": {"analysis": analysis}});
        if self == Self::BlueGreenGateway {
            let gateway = json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "edge", "namespace": "shop"});
            let edge = json!({"spec": {"provider": "gatewayapi:v1", "service": {"gatewayRefs": [gateway]}}});
            merge(&mut patch, &edge);
        }
        patch
    }
}

pub(super) fn phase(canary: &Value) -> &str {
    canary["status"]["phase"].as_str().unwrap_or_default()
}

/// How many failed checks Flagger has counted.
pub(super) fn failed_checks(canary: &Value) -> u64 {
    let counted = canary["status"]["failedChecks"].as_u64();
    counted.unwrap_or_default()
}

/// It waits to start, and nothing was counted.
pub(super) fn waits(canary: &Value) -> bool {
    phase(canary) == "Waiting" && failed_checks(canary) == 0
}

/// It has started, and nothing was counted nor rolled back.
pub(super) fn goes_on(canary: &Value) -> bool {
    let phases = [
        "Progressing",
        "WaitingPromotion",
        "Promoting",
        "Finalising",
        "Succeeded",
    ];
    phases.contains(&phase(canary)) && failed_checks(canary) == 0
}

pub(super) fn succeeded(canary: &Value) -> bool {
    phase(canary) == "Succeeded" && failed_checks(canary) == 0
}

pub(super) fn failed(canary: &Value) -> bool {
    phase(canary) == "Failed"
}

impl Shop {
    /// Has Flagger take a canary of each strategy over, with so many steps each.
    pub(super) async fn begin_all(&self, steps: u32) -> Result<()> {
        for strategy in Strategy::ALL {
            self.begin(strategy, &strategy.patch(steps)).await?;
        }
        self.wait_begun().await
    }

    /// Has Flagger take one canary over, as patched, without waiting for it.
    pub(super) async fn begin(&self, strategy: Strategy, patch: &Value) -> Result<()> {
        let mut whole = strategy.patch(1);
        merge(&mut whole, patch);
        let renamed = ("basket", strategy.name());
        match strategy {
            Strategy::BlueGreenGateway => {
                let file = strategy.file();
                self.apply_renamed(file, renamed, &whole).await
            }
            _ => self.apply(strategy.file(), &whole).await,
        }
    }

    /// Has Flagger take a Blue/Green canary of another name over, as patched, without waiting for it.
    pub(super) async fn begin_named(&self, name: &str, patch: &Value) -> Result<()> {
        let mut whole = Strategy::BlueGreenKubernetes.patch(1);
        merge(&mut whole, patch);
        self.apply_renamed("flagger/blue-green", ("basket", name), &whole)
            .await
    }

    /// Waits until Flagger has taken every canary over.
    pub(super) async fn wait_begun(&self) -> Result<()> {
        let begun = |canary: &Value| phase(canary) == "Initialized";
        self.wait_all("Canary", "to be initialized", begun).await
    }

    /// Brings a new revision of every canary.
    pub(super) async fn release_all(&self) -> Result<()> {
        for canary in self.list("Canary").await? {
            let name = canary["metadata"]["name"].as_str().unwrap_or_default();
            self.release(name).await?;
        }
        Ok(())
    }

    /// Brings a new revision of one canary.
    pub(super) async fn release(&self, name: &str) -> Result<()> {
        let annotations = json!({"metadata": {"annotations": {"revision": "2"}}});
        let patch = json!({"spec": {"template": annotations}});
        self.patch("Deployment", name, &patch).await
    }

    /// Waits until every canary waits to start, and fails unless each goes on waiting, uncounted.
    pub(super) async fn assert_all_wait(&self) -> Result<()> {
        self.wait_all("Canary", "to wait", waits).await?;
        self.all_hold("Canary", waits).await
    }

    /// Fails if Flagger has counted a failed check of any canary here, by its own Events.
    pub(super) async fn assert_nothing_counted(&self) -> Result<()> {
        for event in self.list("Event").await? {
            let note = event["note"].as_str().unwrap_or_default();
            let failed = note.contains(" check ") && note.contains(" failed ");
            let counted = failed || note.contains("failed checks threshold");
            ensure!(event["regarding"]["kind"] != "Canary" || !counted, "{note}");
        }
        Ok(())
    }
}

impl Shop {
    /// Merges into the metadata of each webhook of a canary.
    pub(super) async fn ask_about(&self, name: &str, metadata: &Value) -> Result<()> {
        let canary = self.get("Canary", name).await?;
        let mut webhooks = canary["spec"]["analysis"]["webhooks"].clone();
        for webhook in webhooks.as_array_mut().into_iter().flatten() {
            merge(&mut webhook["metadata"], metadata);
        }
        let patch = json!({"spec": {"analysis": {"webhooks": webhooks}}});
        self.patch("Canary", name, &patch).await
    }
}
