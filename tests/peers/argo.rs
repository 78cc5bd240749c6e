//! Argo Rollouts: what the rollouts of `deploy/argo` do while the circuit is in each state.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::world::Shop;

impl Shop {
    /// Has Argo take a rollout over, with all templates.
    async fn begin_rollout(&self, file: &str, name: &str) -> Result<()> {
        let often = |file: &str| {
            let text = if file.ends_with("step") { "2s" } else { "5s" };
            text.to_owned()
        };
        for file in [
            "analysis-step",
            "analysis-background",
            "analysis-blue-green",
        ] {
            let file = format!("argo/{file}");
            let template = super::world::document(&file)?;
            let mut metrics = template["spec"]["metrics"].clone();
            metrics[0]["interval"] = json!(often(&file));
            let url = metrics[0]["provider"]["web"]["url"]
                .as_str()
                .unwrap_or_default();
            metrics[0]["provider"]["web"]["url"] = json!(self.addressed(url));
            self.apply(&file, &json!({"spec": {"metrics": metrics}}))
                .await?;
        }
        self.apply(file, &json!({"spec": {"replicas": 2}})).await?;
        let healthy = |rollout: &Value| rollout["status"]["phase"] == "Healthy";
        self.wait("Rollout", name, "to be healthy", healthy).await?;
        Ok(())
    }

    /// Brings a new revision; pauses of the canary are short.
    async fn roll_out(&self, name: &str) -> Result<()> {
        let rollout = self.get("Rollout", name).await?;
        let mut steps = rollout["spec"]["strategy"]["canary"]["steps"].clone();
        for step in steps.as_array_mut().into_iter().flatten() {
            if step["pause"].is_object() {
                step["pause"]["duration"] = json!("10s");
            }
        }
        let annotations = json!({"metadata": {"annotations": {"revision": "2"}}});
        let mut patch = json!({"spec": {"template": annotations}});
        if steps.is_array() {
            patch["spec"]["strategy"] = json!({"canary": {"steps": steps}});
        }
        self.patch("Rollout", name, &patch).await
    }

    /// Fails if any analysis has failed.
    async fn assert_no_failures(&self) -> Result<()> {
        for run in self.list("AnalysisRun").await? {
            let failed = run["status"]["runSummary"]["failed"].as_u64();
            ensure!(failed.unwrap_or_default() == 0, "{}", run["status"]);
        }
        Ok(())
    }
}

fn runs(rollout: &Value) -> bool {
    rollout["status"]["phase"] == "Progressing" && rollout["status"]["abort"] != true
}

#[tokio::test]
async fn a_canary_waits_at_its_step_without_evidence_and_goes_on_by_itself() -> Result<()> {
    let shop = Shop::open("peers-argo-unknown").await?;
    shop.begin_rollout("argo/rollout-canary", "checkout")
        .await?;
    shop.roll_out("checkout").await?;
    shop.wait("Rollout", "checkout", "to begin", runs).await?;
    let waits = |rollout: &Value| runs(rollout) && rollout["status"]["currentStepIndex"] == 0;
    shop.holds("Rollout", "checkout", waits).await?;
    shop.assert_no_failures().await?;
    shop.wait_event("Rollout", "checkout", "GateRefuses")
        .await?;
    shop.close().await?;
    let healthy = |rollout: &Value| rollout["status"]["phase"] == "Healthy";
    shop.wait("Rollout", "checkout", "to be healthy", healthy)
        .await?;
    shop.assert_no_failures().await
}

#[tokio::test]
async fn an_open_circuit_aborts_a_canary_at_its_step() -> Result<()> {
    let shop = Shop::open("peers-argo-open").await?;
    shop.begin_rollout("argo/rollout-canary", "checkout")
        .await?;
    shop.close().await?;
    shop.trip().await?;
    shop.roll_out("checkout").await?;
    let aborted = |rollout: &Value| rollout["status"]["abort"] == true;
    shop.wait("Rollout", "checkout", "to be aborted", aborted)
        .await?;
    Ok(())
}

#[tokio::test]
async fn blue_green_waits_with_its_promotion_and_an_open_after_it_undoes_it() -> Result<()> {
    let shop = Shop::open("peers-argo-green").await?;
    shop.begin_rollout("argo/rollout-blue-green", "basket")
        .await?;
    let active = |rollout: &Value| rollout["status"]["blueGreen"]["activeSelector"].clone();
    let before = active(&shop.get("Rollout", "basket").await?);
    shop.roll_out("basket").await?;
    shop.wait("Rollout", "basket", "to begin", runs).await?;
    let held = |rollout: &Value| runs(rollout) && active(rollout) == before;
    shop.holds("Rollout", "basket", held).await?;
    shop.assert_no_failures().await?;
    shop.close().await?;
    let promoted = |rollout: &Value| active(rollout) != before;
    shop.wait("Rollout", "basket", "to be promoted", promoted)
        .await?;
    shop.trip().await?;
    let undone = |rollout: &Value| rollout["status"]["abort"] == true && active(rollout) == before;
    shop.wait("Rollout", "basket", "to be undone", undone)
        .await?;
    Ok(())
}
