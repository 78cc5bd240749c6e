//! Acts: what a story can do to its shop beside reporting, and what can be seen of that.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use fusegate_crds::Time;
use serde_json::{Value, json};

use super::{
    audit::Line,
    store::Place,
    world::{Opening, Shop},
};
use crate::support::{
    http,
    servers::envoy::{Envoy, EnvoyConfig},
};

/// How a circuit comes back in the stories about that: by new reports alone, two of them a step.
pub(super) fn short_recovery() -> Value {
    json!({
        "open": {"minimum": "5s", "maximum": "1m"},
        "halfOpen": {"admitPercent": [10, 50], "settle": "0s", "successes": 2, "timeout": "5m", "begin": "Evidence"},
    })
}

/// Now, and the time that lies from it as far as this.
#[expect(
    clippy::disallowed_methods,
    reason = "a person who writes a time reads a clock of their own"
)]
pub(super) fn from_now(ahead: Duration) -> Result<Time> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    let millis = i64::try_from((now + ahead).as_millis())?;
    Time::from_millis(millis).context("no such time")
}

/// The milliseconds from one field's time to the other's.
pub(super) fn millis_between(from: &Value, to: &Value) -> Result<i64> {
    let read = |value: &Value| value.as_str().and_then(Time::parse);
    let (from_time, to_time) = (read(from), read(to));
    let times = from_time.zip(to_time);
    let (from_time, to_time) = times.with_context(|| format!("no times: {from}, {to}"))?;
    Ok(to_time.millis() - from_time.millis())
}

/// A shop with an object `front` that has tripped, with everything that follows from that, and another one, `back`.
pub(super) async fn tripped(
    place: Place,
    name: &'static str,
    policy: Value,
) -> Result<(Shop, String)> {
    let opening = Opening::at(place).policy(name, policy);
    let shop = opening.object("front").object("back").open().await?;
    let trip = shop.trip(name, "front").await?;
    shop.wait_answer("front", 503).await?;
    shop.wait_alert(&trip).await?;
    shop.wait_rolled_back().await?;
    shop.wait_revision(1).await?;
    Ok((shop, trip))
}

impl Shop {
    /// Trips a circuit by three reports, and returns the trip's id.
    pub(super) async fn trip(&self, policy: &str, object: &str) -> Result<String> {
        self.report_latencies(object, &["300ms", "310ms", "320ms"])
            .await?;
        self.wait_tripped(policy, object).await
    }

    /// Waits until a circuit has tripped, and returns the trip's id. It may have gone on to `HalfOpen`.
    pub(super) async fn wait_tripped(&self, policy: &str, object: &str) -> Result<String> {
        let circuit = self
            .wait_circuit(policy, object, "to trip", |circuit| {
                circuit["shadow"] != "Closed"
            })
            .await?;
        let trip = circuit["tripId"].as_str();
        Ok(trip.context("not Closed without a trip")?.to_owned())
    }

    /// Merges a patch into a policy's spec.
    pub(super) async fn edit_policy(&self, policy: &str, spec: &Value) -> Result<()> {
        let patch = json!({ "spec": spec });
        self.store.edit("CircuitPolicy", policy, &patch).await
    }

    /// Makes an override of a policy, or of one of its circuits; it holds for an hour.
    pub(super) async fn order(
        &self,
        name: &str,
        policy: &str,
        object: Option<&str>,
        state: &str,
    ) -> Result<()> {
        let until = from_now(Duration::from_hours(1))?;
        let order = self.documents.order(name, (policy, object), state, until);
        self.store.create(&order).await
    }

    /// Waits until an object has no circuit in a policy.
    pub(super) async fn wait_no_circuit(&self, policy: &str, object: &str) -> Result<()> {
        let namespace = &self.documents.namespace;
        let path = format!("v1/circuits?namespace={namespace}&policy={policy}");
        self.wait(&format!("circuit {policy}/{object} to go"), async || {
            let page = self.store.fusegate().get_json(&path).await?;
            let circuits = page["items"].as_array().context("no list")?;
            let found = circuits.iter().find(|circuit| circuit["object"] == object);
            ensure!(found.is_none(), "{found:?}");
            Ok(())
        })
        .await
    }

    /// Waits until a circuit is `HalfOpen` and admits so much.
    /// Reports a value that is Good again, and waits until the circuit is tried at 10 %.
    pub(super) async fn mend(&self, policy: &str, object: &str) -> Result<Value> {
        self.report_latencies(object, &["149ms"]).await?;
        self.wait_half_open(policy, object, 10).await
    }

    pub(super) async fn wait_half_open(
        &self,
        policy: &str,
        object: &str,
        percent: u8,
    ) -> Result<Value> {
        let how = format!("to admit {percent} %");
        self.wait_circuit(policy, object, &how, |circuit| {
            circuit["state"] == "HalfOpen" && circuit["admitPercent"] == percent
        })
        .await
    }

    /// Waits until a circuit is Closed, which it is for the admin side only if nothing is left of a trip.
    pub(super) async fn wait_closed(&self, policy: &str, object: &str) -> Result<Value> {
        self.wait_circuit(policy, object, "to close", |circuit| {
            circuit["state"] == "Closed" && circuit["shadow"] == "Closed"
        })
        .await
    }

    /// Waits until one of the conditions in the status of a kind of ours is as it should be, and returns its message.
    pub(super) async fn wait_condition(
        &self,
        kind: &str,
        name: &str,
        expect: (&str, &str, &str),
    ) -> Result<String> {
        let (condition, status, reason) = expect;
        self.wait(&format!("{kind} {name} to be {expect:?}"), async || {
            let all = self.store.status(kind, name).await?;
            let mut conditions = all["conditions"].as_array().into_iter().flatten();
            let found = conditions.find(|each| each["type"] == condition);
            let found = found.with_context(|| format!("{all}"))?;
            ensure!(
                found["status"] == status && found["reason"] == reason,
                "{found}"
            );
            Ok(found["message"].as_str().unwrap_or_default().to_owned())
        })
        .await
    }

    /// Waits until no alert with this trip is active.
    pub(super) async fn wait_resolved(&self, trip: &str) -> Result<()> {
        let ours = format!("namespace=\"{}\"", self.documents.namespace);
        self.wait("the alert to be resolved", async || {
            let alerts = self.alertmanager.alerts_with(&[&ours]).await?;
            let mut active = alerts.iter();
            let still = active.find(|alert| alert["annotations"]["trip_id"] == trip);
            ensure!(still.is_none(), "{still:?}");
            Ok(())
        })
        .await
    }

    /// The key by which Envoy sheds an object's cluster.
    pub(super) fn shed_key(&self, object: &str) -> String {
        format!(
            "upstream.maintenance_mode.{}",
            self.documents.cluster(object)
        )
    }

    /// Waits until Envoy holds the percent by which an object's cluster is shed; `None` stands for no such key.
    pub(super) async fn wait_shed(&self, object: &str, percent: Option<&str>) -> Result<()> {
        let key = self.shed_key(object);
        self.wait(
            &format!("Envoy to hold {percent:?} for {key}"),
            async || {
                let layer = self.envoy.layer(&self.documents.namespace).await?;
                let held = layer.get(&key).map(String::as_str);
                ensure!(held == percent, "{layer:?}");
                Ok(())
            },
        )
        .await
    }

    /// What belongs to an object in the layers of the story's namespace.
    pub(super) async fn keys_of(&self, object: &str) -> Result<Vec<String>> {
        let namespace = &self.documents.namespace;
        let mut keys = Vec::new();
        for layer in [namespace, &format!("{namespace}.conditions")] {
            keys.extend(self.envoy.layer(layer).await?.into_keys());
        }
        let (cluster, name) = (self.shed_key(object), format!(".Storefront.{object}."));
        keys.retain(|key| *key == cluster || key.contains(&name));
        Ok(keys)
    }

    /// Waits until nothing of an object is left in the layers.
    pub(super) async fn wait_no_keys(&self, object: &str) -> Result<()> {
        self.wait(&format!("the keys of {object} to go"), async || {
            let keys = self.keys_of(object).await?;
            ensure!(keys.is_empty(), "{keys:?}");
            Ok(())
        })
        .await
    }

    /// Waits until both layers of the story's namespace are empty.
    pub(super) async fn wait_both_empty(&self) -> Result<()> {
        let namespace = &self.documents.namespace;
        self.wait_empty(namespace).await?;
        self.wait_empty(&format!("{namespace}.conditions")).await
    }

    /// Waits until nothing is left of a layer in Envoy.
    pub(super) async fn wait_empty(&self, layer: &str) -> Result<()> {
        self.wait(&format!("layer {layer} to be empty"), async || {
            let keys = self.envoy.layer(layer).await?;
            ensure!(keys.is_empty(), "{keys:?}");
            Ok(())
        })
        .await
    }

    /// One more Envoy before the same shop, set up a little differently, and live.
    pub(super) async fn another_envoy(
        &self,
        differ: impl FnOnce(&mut EnvoyConfig),
    ) -> Result<Envoy> {
        let mut config = self.mesh.clone();
        "envoy-2".clone_into(&mut config.node_id);
        differ(&mut config);
        let envoy = Envoy::start_live(config).await;
        envoy.with_context(|| self.evidence())
    }

    /// Sends so many requests to an object's cluster, and says how many of them got through.
    /// Envoy's answers and the upstream's own count must agree.
    pub(super) async fn admitted(&self, object: &str, requests: u64) -> Result<u64> {
        let client = http::builder().build()?;
        let url = self.envoy.url(&self.documents.cluster(object));
        let before = self.upstream.requests();
        let mut admitted = 0;
        for _ in 0..requests {
            let answer = client.get(&url).send().await?;
            match answer.status().as_u16() {
                200 => admitted += 1,
                status => ensure!(status == 503, "Envoy answered {status}"),
            }
            // A connection is used again only once its answer has been read.
            answer.bytes().await?;
        }
        let counted = self.upstream.requests() - before;
        ensure!(
            counted == admitted,
            "{admitted} answers of 200, {counted} requests at the upstream"
        );
        Ok(admitted)
    }

    /// The audit lines about the state of a circuit of an object.
    fn state_lines(&self, policy: &str, object: &str) -> Result<Vec<Line>> {
        let (policy, name) = (
            format!("{}/{policy}", self.documents.namespace),
            format!("/{object}"),
        );
        let mut lines = self.audit()?;
        lines.retain(|line| {
            line.text("action") == "State"
                && line.text("policy") == policy
                && line.text("resource").ends_with(&name)
        });
        Ok(lines)
    }

    /// Waits until the audit log has exactly these moves of a circuit, and returns their lines.
    /// It is written beside everything else, so that what has happened may be told a moment later.
    pub(super) async fn wait_moves(
        &self,
        policy: &str,
        object: &str,
        expect: &[&str],
    ) -> Result<Vec<Line>> {
        self.wait(&format!("the moves {expect:?}"), async || {
            let lines = self.state_lines(policy, object)?;
            let moves: Vec<&str> = lines.iter().map(|line| line.text("operation")).collect();
            ensure!(moves == expect, "{moves:?}");
            Ok(lines)
        })
        .await
    }

    /// Waits until the policy's status has one circuit that is armed.
    pub(super) async fn wait_armed(&self, policy: &str) -> Result<()> {
        self.wait("the armed circuit to be recorded", async || {
            let status = self.store.status("CircuitPolicy", policy).await?;
            ensure!(status["armed"] == 1, "{status}");
            Ok(())
        })
        .await
    }

    /// Waits for the audit line about a circuit's next move, of which there have been so many.
    pub(super) async fn wait_move(&self, policy: &str, object: &str, after: usize) -> Result<Line> {
        self.wait("the circuit's next move", async || {
            let mut lines = self.state_lines(policy, object)?.into_iter();
            lines.nth(after).context("no line")
        })
        .await
    }
}
