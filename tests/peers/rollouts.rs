//! Rollouts: those of `deploy/argo`, what is done with them and asked of them.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{
    manifests::{self, merge},
    shop::Shop,
};

/// Every template that asks our own path.
pub(super) const TEMPLATES: [&str; 3] = [
    "argo/analysis-step",
    "argo/analysis-background",
    "argo/analysis-blue-green",
];

/// A rollout that asks in one place of its strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A canary that waits at its steps, as it stands in `deploy/argo`.
    Step,
    /// A canary that asks in the background only.
    Background,
    /// Blue/Green, which asks before and after its promotion.
    BlueGreen,
}

impl Place {
    pub(super) const ALL: [Self; 3] = [Self::Step, Self::Background, Self::BlueGreen];

    /// The rollout's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Step => "checkout",
            Self::Background => "search",
            Self::BlueGreen => "basket",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Step | Self::Background => "argo/rollout-canary",
            Self::BlueGreen => "argo/rollout-blue-green",
        }
    }

    /// Few pods, short pauses.
    fn patch(self, pause: &str) -> Result<Value> {
        let mut patch = json!({"spec": {"replicas": 2}});
        if self == Self::BlueGreen {
            return Ok(patch);
        }
        let mut steps =
            manifests::document(self.file())?["spec"]["strategy"]["canary"]["steps"].clone();
        let steps = steps.as_array_mut().context("no steps")?;
        for step in steps.iter_mut().filter(|step| step["pause"].is_object()) {
            step["pause"]["duration"] = json!(pause);
        }
        if self == Self::Background {
            steps.retain(|step| !step["analysis"].is_object());
            let name = self.name();
            let args = json!([{"name": "policy", "value": "checkout"}, {"name": "rollout", "value": name}]);
            let renamed = json!({
                "metadata": {"name": name},
                "spec": {
                    "selector": {"matchLabels": {"app": name}},
                    "template": {"metadata": {"labels": {"app": name}}},
                    "strategy": {"canary": {"analysis": {"startingStep": 0, "args": args}}},
                },
            });
            merge(&mut patch, &renamed);
        }
        merge(
            &mut patch,
            &json!({"spec": {"strategy": {"canary": {"steps": steps}}}}),
        );
        Ok(patch)
    }
}

/// Which revision is in place, or, in Blue/Green, gets the traffic.
pub(super) fn revision(rollout: &Value) -> Value {
    let active = &rollout["status"]["blueGreen"]["activeSelector"];
    let stable = &rollout["status"]["stableRS"];
    if active.is_string() { active } else { stable }.clone()
}

/// It was given up.
pub(super) fn aborted(rollout: &Value) -> bool {
    rollout["status"]["abort"] == true
}

/// It is under way, or waits.
pub(super) fn runs(rollout: &Value) -> bool {
    rollout["status"]["phase"] == "Progressing" && !aborted(rollout)
}

/// How many measurements of an analysis came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) successful: u64,
    pub(super) failed: u64,
    pub(super) inconclusive: u64,
    pub(super) error: u64,
}

impl Counted {
    pub(super) fn of(run: &Value) -> Self {
        let result = &run["status"]["metricResults"][0];
        let count = |field: &str| result[field].as_u64().unwrap_or_default();
        Self {
            successful: count("successful"),
            failed: count("failed"),
            inconclusive: count("inconclusive"),
            error: count("error"),
        }
    }
}

/// Revisions before a release, by rollout.
pub(super) struct Before(Vec<(String, Value)>);

impl Before {
    /// Whether a rollout has the revision that it had.
    pub(super) fn is(&self, rollout: &Value) -> bool {
        let name = rollout["metadata"]["name"].as_str().unwrap_or_default();
        let before = self.0.iter().find(|(of, _)| of == name);
        before.is_some_and(|(_, before)| revision(rollout) == *before)
    }

    /// Whether a rollout was released, and is well.
    pub(super) fn is_over(&self, rollout: &Value) -> bool {
        rollout["status"]["phase"] == "Healthy" && !self.is(rollout) && !aborted(rollout)
    }
}

impl Shop {
    /// Applies the templates, which ask every two seconds here.
    pub(super) async fn apply_templates(&self) -> Result<()> {
        for file in TEMPLATES {
            let patch = json!({"spec": {"metrics": self.metrics(file)?}});
            self.apply(file, &patch).await?;
        }
        Ok(())
    }

    /// The metrics of a template, which ask every two seconds here.
    pub(super) fn metrics(&self, file: &str) -> Result<Value> {
        let template = manifests::document(file)?;
        let mut metrics = template["spec"]["metrics"].clone();
        metrics[0]["interval"] = json!("2s");
        let text = self.addressed(&metrics.to_string());
        Ok(serde_json::from_str(&text)?)
    }

    /// Has Argo take a rollout of each place over, with all templates.
    pub(super) async fn begin_rollouts(&self, pause: &str) -> Result<Before> {
        self.apply_templates().await?;
        for place in Place::ALL {
            self.apply(place.file(), &place.patch(pause)?).await?;
        }
        self.before().await
    }

    /// The revisions of all rollouts, once all are well.
    pub(super) async fn before(&self) -> Result<Before> {
        let healthy = |rollout: &Value| rollout["status"]["phase"] == "Healthy";
        self.wait_all("Rollout", "to be healthy", healthy).await?;
        let rollouts = self.list("Rollout").await?;
        let revisions = rollouts.iter().map(|rollout| {
            let name = rollout["metadata"]["name"].as_str();
            (name.unwrap_or_default().to_owned(), revision(rollout))
        });
        Ok(Before(revisions.collect()))
    }

    /// Gives every analysis of a rollout another argument.
    pub(super) async fn ask_in(&self, place: Place, argument: &str, value: &Value) -> Result<()> {
        let name = place.name();
        let rollout = self.get("Rollout", name).await?;
        let mut strategy = rollout["spec"]["strategy"].clone();
        give(&mut strategy, argument, value);
        let patch = json!({"spec": {"strategy": strategy}});
        self.patch("Rollout", name, &patch).await
    }

    /// Brings a new revision of every rollout.
    pub(super) async fn roll_out_all(&self) -> Result<()> {
        for rollout in self.list("Rollout").await? {
            let name = rollout["metadata"]["name"].as_str().unwrap_or_default();
            self.roll_out(name).await?;
        }
        Ok(())
    }

    /// Brings a new revision of one rollout.
    pub(super) async fn roll_out(&self, name: &str) -> Result<()> {
        let annotations = json!({"metadata": {"annotations": {"revision": "2"}}});
        let patch = json!({"spec": {"template": annotations}});
        self.patch("Rollout", name, &patch).await
    }

    /// Does what `kubectl argo rollouts retry rollout` does.
    pub(super) async fn retry(&self, place: Place) -> Result<()> {
        let again = json!({"status": {"abort": false}});
        self.patch_status("Rollout", place.name(), &again).await
    }

    /// What the analyses of a rollout have counted.
    pub(super) async fn counted(&self, place: Place) -> Result<Counted> {
        let runs = self.list("AnalysisRun").await?;
        let own = runs.iter().filter(|run| {
            let owner = &run["metadata"]["ownerReferences"][0]["name"];
            *owner == place.name()
        });
        let all = own.map(Counted::of);
        Ok(all.fold(Counted::default(), |sum, next| Counted {
            successful: sum.successful + next.successful,
            failed: sum.failed + next.failed,
            inconclusive: sum.inconclusive + next.inconclusive,
            error: sum.error + next.error,
        }))
    }

    /// Fails if any analysis has failed.
    pub(super) async fn assert_no_failures(&self) -> Result<()> {
        for place in Place::ALL {
            let counted = self.counted(place).await?;
            ensure!(counted.failed == 0, "{place:?}: {counted:?}");
        }
        Ok(())
    }
}

/// Sets an argument wherever arguments are given; a value that is an object says where it comes from.
fn give(strategy: &mut Value, argument: &str, value: &Value) {
    match strategy {
        Value::Object(fields) => {
            for (key, field) in fields {
                match field.as_array_mut().filter(|_| key == "args") {
                    Some(args) => {
                        args.retain(|each| each["name"] != argument);
                        let from = if value.is_object() {
                            "valueFrom"
                        } else {
                            "value"
                        };
                        args.push(json!({"name": argument, from: value}));
                    }
                    None => give(field, argument, value),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                give(item, argument, value);
            }
        }
        _ => {}
    }
}
