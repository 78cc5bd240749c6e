//! Conditions from Prometheus: a real one scrapes a real target, and what it says trips, holds and recovers; whatever else it says, or does not, is Unknown.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, api::PostParams};
use rstest::rstest;
use serde_json::{Value, json};

use tokio::process::Command;

use super::{
    acts::short_recovery,
    metered::{Gateway, Metered},
    rights,
    store::Place,
    world::{Opening, Shop},
};
use crate::support::{
    fusegate::program,
    scratch::Scratch,
    servers::{
        apiserver::unique,
        browser::Browser,
        prometheus::{Prometheus, PrometheusConfig},
    },
    wait::throughout,
};

/// Judges the object's own reports, as in every story.
const OWN: &str = "checkout";
/// Judges what Prometheus says.
pub(super) const MEASURED: &str = "errors";

/// The share of a service's requests that fail.
const QUERY: &str = r#"sum by (namespace, app) (rate(http_requests_total{code="500"}[4s])) / sum by (namespace, app) (rate(http_requests_total[4s]))"#;

/// A key whose value is that share, of the namespace's services only.
pub(super) fn condition() -> Value {
    json!({
        "key": "error-share",
        "type": "Number",
        "minimum": 0,
        "maximum": 1,
        "from": {"prometheus": {
            "query": QUERY,
            "object": {"namespace": "namespace", "name": "app"},
            "interval": "2s",
            "maxAge": "8s",
        }},
    })
}

/// A policy that trips by it.
pub(super) fn trips() -> Value {
    let mut spec = short_recovery();
    spec["trip"] = json!({"when": [{"condition": "error-share", "above": "0.2", "clearBelow": "0.05"}], "resample": "0s"});
    spec
}

/// A Prometheus that scrapes this every second, as seldom as the query's range allows.
pub(super) async fn scraping(metered: &Metered) -> Result<Prometheus> {
    Prometheus::start(PrometheusConfig {
        targets: vec![metered.address()],
        scrape_interval: Duration::from_secs(1),
        ..PrometheusConfig::default()
    })
    .await
}

struct Story {
    shop: Shop,
    metered: Metered,
    prometheus: Prometheus,
    gateway: Gateway,
}

impl Story {
    /// A shop with two objects, of which Prometheus says that all is well, and a policy for that beside the usual one.
    async fn open(place: Place) -> Result<Self> {
        let namespace = unique("story");
        let metered = Metered::start(&namespace, &["front", "back"]).await?;
        let prometheus = scraping(&metered).await?;
        let gateway = Gateway::to(prometheus.url()).await?;
        let shop = Opening::at(place)
            .named(namespace)
            .arg(format!("--prometheus={}", gateway.url()))
            .policy(OWN, json!({}))
            .object("front")
            .object("back")
            .open()
            .await?;
        let contract = shop.documents.contract();
        let mut conditions = contract["spec"]["conditions"].clone();
        conditions
            .as_array_mut()
            .context("no conditions")?
            .push(condition());
        let patch = json!({"spec": {"conditions": conditions}});
        let name = shop.documents.crd_name();
        shop.store.edit("ConditionContract", &name, &patch).await?;
        let policy = shop.documents.policy(MEASURED, &trips());
        shop.store.create(&policy).await?;
        let story = Self {
            shop,
            metered,
            prometheus,
            gateway,
        };
        for object in ["front", "back"] {
            story.wait_class(object, "Good").await?;
        }
        Ok(story)
    }

    /// Waits until what Prometheus says of an object is classed so: `Good`, `Bad`, or why it is Unknown.
    async fn wait_class(&self, object: &str, class: &str) -> Result<Value> {
        self.shop
            .wait_circuit(MEASURED, object, &format!("to be {class}"), |circuit| {
                let rule = &circuit["rules"][0];
                rule["class"] == class || rule["unknownReason"] == class
            })
            .await
    }

    /// What the contract's status says of the query.
    async fn query(&self) -> Result<Value> {
        let status = self.shop.contract_status().await?;
        Ok(status["queries"][0].clone())
    }

    async fn wait_query(&self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        self.shop
            .wait(&format!("the query's status {what}"), async || {
                let query = self.query().await?;
                ensure!(is(&query), "{query}");
                Ok(query)
            })
            .await
    }

    /// What a gate is answered about an object.
    async fn gate(&self, object: &str) -> Result<(u16, Value)> {
        let namespace = &self.shop.documents.namespace;
        let path = format!("v1/gate/{namespace}/{MEASURED}?object={object}");
        let (status, body) = self.shop.store.fusegate().get(&path).await?;
        Ok((status, serde_json::from_str(&body)?))
    }

    async fn wait_gate(&self, object: &str, expect: u16) -> Result<()> {
        let what = format!("the gate to answer {expect}");
        self.shop
            .wait(&what, async || {
                let (status, verdict) = self.gate(object).await?;
                ensure!(status == expect, "{status} {verdict}");
                Ok(())
            })
            .await
    }

    /// What Prometheus remembers of the incident would have tripped the circuit of the object that was sick.
    async fn simulate(&self) -> Result<()> {
        let scratch = Scratch::new("simulate")?;
        let documents = &self.shop.documents;
        let mut contract = documents.contract();
        let conditions = contract["spec"]["conditions"].as_array_mut();
        conditions.context("no conditions")?.push(condition());
        let policy = documents.policy(MEASURED, &trips());
        let file = scratch.write("policy.yaml", format!("{contract}\n---\n{policy}"))?;
        let output = Command::new(program()?)
            .arg("simulate")
            .arg(file)
            .args(["--from=prometheus", "--step=1s", "--output=json"])
            .arg(format!("--prometheus={}", self.prometheus.url()))
            .output()
            .await?;
        ensure!(output.status.success(), "{output:?}");
        let told: Value = serde_json::from_slice(&output.stdout)?;
        let circuits = told["circuits"].as_array().context("no circuits")?;
        let trips = |object: &str| {
            let found = circuits.iter().find(|each| each["object"] == object);
            found.and_then(|found| Some(found["trips"].as_array()?.len()))
        };
        ensure!(
            trips("front") >= Some(1) && trips("back") == Some(0),
            "{told}"
        );
        Ok(())
    }

    /// How many answers to the query fusegate has counted, of whatever result.
    async fn answers(&self) -> Result<u64> {
        let (_, metrics) = self.shop.store.fusegate().get("metrics").await?;
        let contract = self.shop.documents.crd_name();
        let series = format!("fusegate_prometheus_answers_total{{contract=\"{contract}\",");
        let counts = metrics.lines().filter(|line| line.starts_with(&series));
        let counts = counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        Ok(counts.sum())
    }
}

#[rstest]
#[tokio::test]
async fn what_prometheus_says_trips_holds_and_recovers(
    #[values(Place::Granted, Place::Folder)] place: Place,
) -> Result<()> {
    let story = Story::open(place).await?;
    let shop = &story.shop;
    story
        .wait_query("to name both objects", |query| {
            query["objects"] == 2 && query["series"] == 2 && query["error"].is_null()
        })
        .await?;
    story.wait_gate("front", 200).await?;

    story.metered.fail(50);
    shop.wait_open(MEASURED, "front").await?;
    shop.wait_answer("front", 503).await?;
    shop.wait_answer("back", 200).await?;
    story.wait_gate("front", 403).await?;
    // For longer than it waits before it is tried.
    let held = "the circuit not to close while it is sick";
    throughout(held, Duration::from_secs(8), async || {
        let circuit = shop.circuit(MEASURED, "front").await?;
        ensure!(circuit["state"] != "Closed", "{circuit}");
        Ok(())
    })
    .await?;

    story.metered.fail(0);
    shop.wait_circuit(MEASURED, "front", "to recover", |circuit| {
        circuit["state"] == "Closed"
    })
    .await?;
    shop.wait_answer("front", 200).await?;
    story.wait_gate("front", 200).await?;

    // The object's own reports went their own way.
    shop.assert_never_moved(OWN, "front").await?;
    let lines = shop.map_lines("front")?;
    let measured = |line: &&super::audit::Line| line.text("source") == "prometheus";
    let first = lines.iter().find(measured).context("no audit line")?;
    ensure!(
        *first.field("diff_keys") == json!(["+error-share"]),
        "{first:?}"
    );
    story.simulate().await?;
    Ok(())
}

/// What Prometheus does instead of answering.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Gone,
    Slow,
    Garbage,
    Crowd,
}

impl Trouble {
    async fn make(self, story: &mut Story) -> Result<()> {
        match self {
            Self::Gone => story.prometheus.kill()?,
            Self::Slow => story.prometheus.freeze().await?,
            Self::Garbage => story.gateway.answer_garbage(true),
            Self::Crowd => story.metered.crowd(10_000),
        }
        Ok(())
    }

    async fn mend(self, story: &mut Story) -> Result<()> {
        match self {
            Self::Gone => story.prometheus.restart().await?,
            Self::Slow => story.prometheus.thaw()?,
            Self::Garbage => story.gateway.answer_garbage(false),
            Self::Crowd => story.metered.crowd(0),
        }
        Ok(())
    }

    /// Why the key is Unknown, and what the contract's status says.
    fn said(self) -> (&'static str, &'static str) {
        match self {
            Self::Gone | Self::Garbage => ("Error", "QueryFailed: "),
            Self::Slow => ("Timeout", "QueryTimedOut: "),
            Self::Crowd => ("TooManySeries", "TooManySeries: "),
        }
    }
}

#[tokio::test]
async fn the_page_shows_what_came_of_a_query() -> Result<()> {
    let mut story = Story::open(Place::Folder).await?;
    let browser = Browser::start().await?;
    let page = format!("#/contracts/{}", story.shop.documents.crd_name());
    browser
        .open(&story.shop.store.fusegate().url(&page))
        .await?;
    let row = "return [...document.querySelectorAll('section[aria-label=\"Queries of Prometheus\"] tbody tr')] \
               .map((row) => row.innerText).join('\\n')";
    let reads = async |wanted: &[&str]| {
        let what = format!("{wanted:?} on the page");
        story
            .shop
            .wait(&what, async || {
                let row = browser.run(row).await?;
                let row = row.as_str().unwrap_or_default();
                for part in wanted {
                    ensure!(row.contains(part), "no {part} in {row:?}");
                }
                Ok(())
            })
            .await
    };
    reads(&["error-share", "sum by (namespace, app)", "answered"]).await?;
    story.prometheus.kill()?;
    reads(&["error-share", "QueryFailed"]).await?;
    let errors = browser.errors().await?;
    ensure!(errors.is_empty(), "{errors:?}");
    Ok(())
}

#[rstest]
#[tokio::test]
async fn without_an_answer_gates_hold_nothing_moves_and_other_keys_are_judged(
    #[values(Trouble::Gone, Trouble::Slow, Trouble::Garbage, Trouble::Crowd)] trouble: Trouble,
) -> Result<()> {
    let mut story = Story::open(Place::Folder).await?;
    let revision = story.shop.revision().await?;
    trouble.make(&mut story).await?;
    let (unknown, error) = trouble.said();
    story.wait_class("front", unknown).await?;
    story
        .wait_query("to say why", |query| {
            let said = query["error"].as_str().unwrap_or_default();
            said.starts_with(error)
        })
        .await?;
    let held = "the gate to hold, and nothing to move";
    throughout(held, Duration::from_secs(6), async || {
        let (status, verdict) = story.gate("front").await?;
        let holds = status != 200 && verdict["passes"] == false;
        ensure!(holds && verdict["state"] == "Unknown", "{verdict}");
        story.shop.assert_never_moved(MEASURED, "front").await
    })
    .await?;
    ensure!(story.shop.answer("front").await? == 200);
    ensure!(story.shop.revision().await? == revision);

    story
        .shop
        .report_latencies("front", &["300ms", "310ms", "320ms"])
        .await?;
    story.shop.wait_open(OWN, "front").await?;

    trouble.mend(&mut story).await?;
    story.wait_class("back", "Good").await?;
    story
        .wait_query("to be fine", |query| query["error"].is_null())
        .await?;
    story.shop.assert_never_moved(MEASURED, "back").await
}

#[tokio::test]
async fn a_thousand_objects_cost_one_query_an_interval() -> Result<()> {
    const OBJECTS: usize = 1_000;
    let story = Story::open(Place::Folder).await?;
    let shop = &story.shop;
    let folder = shop.store.folder()?;
    story.metered.crowd(1_000);
    let objects = (0..OBJECTS).map(|number| shop.documents.object(&format!("crowd-{number}")));
    let objects: Vec<String> = objects.map(|object| object.to_string()).collect();
    std::fs::write(folder.watched.join("crowd.yaml"), objects.join("\n---\n"))?;
    story
        .wait_query("to name all objects", |query| {
            query["objects"] == OBJECTS + 2 && query["error"].is_null()
        })
        .await?;
    let (asked, answered) = (story.gateway.queries(), story.answers().await?);
    shop.wait("five more answers", async || {
        let more = story.answers().await? - answered;
        ensure!(more >= 5, "{more}");
        Ok(())
    })
    .await?;
    let (asked, answered) = (
        story.gateway.queries() - asked,
        story.answers().await? - answered,
    );
    // One may be under way at either end.
    ensure!(
        asked.abs_diff(answered) <= 1,
        "{asked} queries for {answered} answers"
    );
    Ok(())
}

#[tokio::test]
async fn built_in_deployments_are_judged_without_any_status() -> Result<()> {
    let namespace = unique("story");
    let metered = Metered::start(&namespace, &["web"]).await?;
    let prometheus = scraping(&metered).await?;
    let mut shop = Opening::at(Place::Granted)
        .named(namespace.clone())
        .arg(format!("--prometheus={}", prometheus.url()))
        .open()
        .await?;
    rights::grant(&shop.store.own()?.server, "apps", "deployments").await?;
    let contract = json!({
        "apiVersion": "fusegate.io/v1alpha1",
        "kind": "ConditionContract",
        "metadata": {"name": "deployments.apps"},
        "spec": {
            "target": {"group": "apps", "kind": "Deployment"},
            "conditions": [condition()],
            "mesh": {"clusters": ["{namespace}-*"]},
            "rollback": {"mode": "Off"},
        },
    });
    shop.store.create(&contract).await?;
    let mut policy = shop.documents.policy(MEASURED, &trips());
    policy["spec"]["contract"] = json!("deployments.apps");
    shop.store.create(&policy).await?;
    let labels = json!({"app": "web"});
    let web: Deployment = serde_json::from_value(json!({
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "web"}]},
            },
        },
    }))?;
    let client = shop.store.own()?.server.client().await?;
    let deployments = Api::<Deployment>::namespaced(client, &namespace);
    deployments.create(&PostParams::default(), &web).await?;
    shop.wait_circuit(MEASURED, "web", "to be Good", |circuit| {
        circuit["rules"][0]["class"] == "Good"
    })
    .await?;
    let accepted = ("Accepted", "True", "Accepted");
    let message = shop
        .wait_condition("ConditionContract", "deployments.apps", accepted)
        .await?;
    ensure!(message.contains("no schema to roll back"), "{message}");
    metered.fail(50);
    shop.wait_open(MEASURED, "web").await?;
    Ok(())
}
