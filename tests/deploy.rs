//! The deployment: what `deploy/` ships is taken by the programs that it is for.

mod chart;
mod cluster;
mod generated;
pub(crate) mod helm;
mod image;
mod meshes;
mod observed;
mod operators;
mod release;
mod shards;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser as _;
use fusegate::cli::check::Check;
use fusegate::cli::{self, Cli};
use serde_json::{Value, json};

use crate::support::fusegate::{Fusegate, FusegateConfig};
use crate::support::http;
use crate::support::scratch::Scratch;
use crate::support::servers::authority::Authority;
use crate::support::servers::process::{Process, Program};
use crate::support::servers::prometheus::{Prometheus, PrometheusConfig};
use crate::support::servers::{assets, ports};
use crate::support::wait::eventually;

const SOON: Duration = Duration::from_mins(1);

fn path(below: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(below)
}

fn read(below: &str) -> String {
    fs::read_to_string(path(below)).unwrap_or_else(|error| panic!("{below}: {error}"))
}

fn documents(below: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(&read(below)).unwrap_or_else(|error| panic!("{below}: {error}"))
}

#[test]
fn the_examples_and_the_demos_files_are_clean_to_fusegate_check() {
    for folder in ["deploy/examples", "tests/demo/files"] {
        let check = Check {
            files: vec![path(folder)],
        };
        let mut out = Vec::new();
        let clean = check.print(&mut out).unwrap();
        assert!(clean, "{}", String::from_utf8_lossy(&out));
    }
}

/// The environment variables that `fusegate run` reads.
fn variables() -> BTreeSet<String> {
    let command = <Cli as clap::CommandFactory>::command();
    let run = command.find_subcommand("run").unwrap();
    let names = run.get_arguments().filter_map(clap::Arg::get_env);
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

#[test]
fn kustomize_lists_every_manifest() {
    let listed = documents("deploy/kubernetes/kustomization.yaml").remove(0);
    let listed = listed["resources"].as_array().unwrap().iter();
    let listed: BTreeSet<&str> = listed.filter_map(Value::as_str).collect();
    for entry in fs::read_dir(path("deploy/kubernetes")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name == "kustomization.yaml" || listed.contains(&*name),
            "{name}"
        );
    }
}

#[test]
fn the_deployment_with_certificates_mounts_those_that_are_made() {
    let deployment = documents("deploy/mtls/deployment.yaml").remove(0);
    let pod = &deployment["spec"]["template"]["spec"];
    let args = pod["containers"][0]["args"].as_array().unwrap().iter();
    let args = args.map(|arg| arg.as_str().unwrap());
    let cli = Cli::try_parse_from(["fusegate"].into_iter().chain(args)).unwrap();
    let cli::Command::Run(run) = cli.command else {
        panic!("the Deployment does not run the controller")
    };
    assert!(!run.xds.insecure && run.xds.check().is_ok());
    assert_eq!(run.xds.layers, cli::run::xds::Layers::Certificate);
    let mounted = &pod["containers"][0]["volumeMounts"][0]["mountPath"];
    let mounted = Path::new(mounted.as_str().unwrap());
    assert!(run.xds.key.unwrap().starts_with(mounted));
    let secret = &pod["volumes"][0]["secret"]["secretName"];
    let certificates = documents("deploy/mtls/certificates.yaml");
    let mut made = certificates.iter().map(|made| &made["spec"]["secretName"]);
    assert!(made.any(|made| made == secret), "{secret}");
}

#[test]
fn envoy_accepts_the_transport_socket_with_certificates() -> Result<()> {
    let scratch = Scratch::new("bootstrap")?;
    let authority = Authority::new()?;
    let own = authority.for_uri("spiffe://cluster.local/ns/shop/sa/edge")?;
    scratch.write("ca.crt", authority.pem())?;
    scratch.write("tls.crt", &own.certificate)?;
    scratch.write("tls.key", &own.key)?;
    let folder = scratch.path().display().to_string();
    let socket =
        read("deploy/mtls/envoy-transport-socket.yaml").replace("/etc/fusegate-xds", &folder);
    let socket: Value = serde_saphyr::from_str(&socket)?;
    let mut bootstrap = documents("deploy/envoy/bootstrap.yaml").remove(0);
    let clusters = bootstrap["static_resources"]["clusters"].as_array_mut();
    let ours = clusters
        .unwrap()
        .iter_mut()
        .find(|one| one["name"] == "fusegate");
    ours.unwrap()["transport_socket"] = socket["transport_socket"].clone();
    let output = Command::new(assets::program("envoy")?)
        .args([
            "--mode",
            "validate",
            "--config-yaml",
            &bootstrap.to_string(),
        ])
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{told}");
    Ok(())
}

#[test]
fn envoy_accepts_the_bootstrap() -> Result<()> {
    let scratch = Scratch::new("bootstrap")?;
    let output = Command::new(assets::program("envoy")?)
        .args(["--mode", "validate", "--config-path"])
        .arg(path("deploy/envoy/bootstrap.yaml"))
        .current_dir(scratch.path())
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

#[test]
fn the_admin_layer_of_the_bootstrap_is_the_last_and_so_wins() {
    let bootstrap = documents("deploy/envoy/bootstrap.yaml").remove(0);
    let layers = bootstrap["layered_runtime"]["layers"].as_array().unwrap();
    let (last, ours) = layers.split_last().unwrap();
    assert!(last["admin_layer"].is_object(), "{last}");
    assert!(ours.iter().all(|layer| layer["rtds_layer"].is_object()));
}

#[tokio::test]
async fn prometheus_evaluates_every_rule_without_an_error() -> Result<()> {
    let server = Prometheus::start(PrometheusConfig {
        rules: Some(read("deploy/prometheus/rules.yaml")),
        ..PrometheusConfig::default()
    })
    .await?;
    let url = format!("{}/api/v1/rules", server.url());
    let client = http::client()?;
    let rules = eventually("every rule to be evaluated", SOON, async || {
        let answer: Value = client.get(&url).send().await?.json().await?;
        let rules = answer["data"]["groups"][0]["rules"].as_array().cloned();
        let rules = rules.with_context(|| format!("no rules in {answer}"))?;
        ensure!(rules.iter().all(|rule| rule["health"] == "ok"), "{rules:?}");
        Ok(rules)
    })
    .await?;
    assert!(rules.len() > 5, "{}", rules.len());
    Ok(())
}

#[test]
fn every_metric_in_a_rule_is_one_that_fusegate_registers() {
    let files = fs::read_dir(path("src/runtime/metrics")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let files = files.filter(|file| file.is_file());
    let registered: String = files
        .chain([path("src/runtime/metrics.rs")])
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let rules = documents("deploy/prometheus/rules.yaml").remove(0);
    let rules = rules["groups"][0]["rules"].as_array().unwrap();
    let expressions = rules.iter().map(|rule| rule["expr"].as_str().unwrap());
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expressions.flat_map(|expression| expression.split(move |c| !is_name(c)));
    let metrics: BTreeSet<&str> = words
        .filter_map(|word| word.strip_prefix("fusegate_"))
        .collect();
    assert!(metrics.len() > 5, "{metrics:?}");
    for metric in metrics {
        let base = metric
            .trim_end_matches("_total")
            .trim_end_matches("_bucket");
        assert!(
            registered.contains(&format!("\"{base}\"")),
            "fusegate_{metric}"
        );
    }
}

#[tokio::test]
async fn alertmanager_runs_with_the_configuration() -> Result<()> {
    let scratch = Scratch::new("alertmanager-deploy")?;
    let address = ports::loopback(ports::free()?);
    let config = path("deploy/alertmanager/alertmanager.yaml");
    let mut alertmanager = Process::start(&Program {
        name: "alertmanager",
        path: assets::program("alertmanager")?,
        args: vec![
            format!("--config.file={}", config.display()),
            format!("--storage.path={}", scratch.path().display()),
            format!("--web.listen-address={address}"),
            "--cluster.listen-address=".to_owned(),
        ],
        env: Vec::new(),
        log: scratch.path().join("alertmanager.log"),
    })?;
    let client = http::client()?;
    let ready = alertmanager.ready(SOON, async || {
        let url = format!("http://{address}/-/ready");
        client.get(url).send().await?.error_for_status()?;
        Ok(())
    });
    ready.await
}

/// A fusegate that runs on the examples, all of them but the override, and has judged the object.
async fn fusegate(scratch: &Scratch) -> Result<Fusegate> {
    for name in [
        "crd.yaml",
        "contract.yaml",
        "policy.yaml",
        "storefront.yaml",
    ] {
        scratch.write(name, read(&format!("deploy/examples/{name}")))?;
    }
    let fusegate = Fusegate::start(FusegateConfig::args([
        format!("--source=dir:{}", scratch.path().display()),
        "--audit=/dev/null".to_owned(),
    ]))
    .await?;
    eventually("the gate to pass", SOON, async || {
        let (status, body) = fusegate.get("v1/gate/shop/checkout").await?;
        ensure!(status == 200, "{status} {body}");
        Ok(())
    })
    .await?;
    Ok(fusegate)
}

#[tokio::test]
async fn every_webhook_of_the_canaries_is_answered_by_the_gate() -> Result<()> {
    let scratch = Scratch::new("deploy")?;
    let fusegate = fusegate(&scratch).await?;
    for file in ["canary", "ab-testing", "blue-green"] {
        let canary = documents(&format!("deploy/flagger/{file}.yaml")).remove(1);
        let webhooks = canary["spec"]["analysis"]["webhooks"].as_array().unwrap();
        assert!(webhooks.len() >= 3);
        for webhook in webhooks {
            let url = webhook["url"].as_str().context("no url")?;
            let (_, hook) = url.split_once("/flagger/v1/").context("no such path")?;
            assert_eq!(webhook["type"], hook, "the path tells the type");
            let call = json!({
                "name": canary["metadata"]["name"],
                "namespace": canary["metadata"]["namespace"],
                "phase": "Progressing",
                "metadata": webhook["metadata"],
            });
            let url = fusegate.url(&format!("flagger/v1/{hook}"));
            let answer = http::client()?.post(url).json(&call).send().await?;
            let (status, body) = (answer.status().as_u16(), answer.text().await?);
            // The object of the examples is well: everything passes, and nothing is rolled back.
            let expected = if hook == "rollback" { 403 } else { 200 };
            ensure!(status == expected, "{hook}: {status} {body}");
            ensure!(
                body.contains("Storefront \"checkout\" is Closed"),
                "{hook}: {body}"
            );
        }
    }
    Ok(())
}

/// Every template that asks our own path; that which asks Prometheus is another one.
const TEMPLATES: [&str; 3] = [
    "analysis-step",
    "analysis-background",
    "analysis-blue-green",
];

#[tokio::test]
async fn the_url_of_each_analysis_is_answered_with_what_its_conditions_read() -> Result<()> {
    let scratch = Scratch::new("deploy")?;
    let fusegate = fusegate(&scratch).await?;
    for file in TEMPLATES {
        let template = documents(&format!("deploy/argo/{file}.yaml")).remove(0);
        let metric = &template["spec"]["metrics"][0];
        let url = metric["provider"]["web"]["url"]
            .as_str()
            .context("no url")?;
        let (_, path) = url.split_once(":8080/").context("no path")?;
        let path = path
            .replace("{{args.policy}}", "checkout")
            .replace("{{args.rollout}}", "checkout")
            .replace("{{args.object}}", "")
            .replace("{{args.since}}", "");
        let (status, body) = fusegate.get(&path).await?;
        let verdict: Value = serde_json::from_str(&body)?;
        ensure!(
            status == 200 && verdict["verdict"] == "pass",
            "{status} {body}"
        );
        let limit = metric["inconclusiveLimit"].as_u64();
        if let Some(count) = metric["count"].as_u64() {
            assert!(limit <= Some(count), "{file}: Argo refuses it");
        }
        assert_eq!(metric["successCondition"], "result.verdict == \"pass\"");
        assert_eq!(metric["failureCondition"], "result.verdict == \"fail\"");
    }
    Ok(())
}

#[test]
fn rollouts_name_templates_and_services_that_are_there() {
    let mut names: BTreeSet<String> = BTreeSet::new();
    for file in TEMPLATES {
        for template in documents(&format!("deploy/argo/{file}.yaml")) {
            assert_eq!(template["metadata"]["namespace"], "shop", "{file}");
            names.extend(template["metadata"]["name"].as_str().map(str::to_owned));
        }
    }
    for file in ["rollout-canary", "rollout-blue-green"] {
        let text = read(&format!("deploy/argo/{file}.yaml"));
        let templates = text.split("templateName: ").skip(1);
        let templates = templates.filter_map(|rest| rest.split(['}', ']']).next());
        let templates: Vec<&str> = templates.collect();
        assert!(templates.len() >= 2, "{file}: {templates:?}");
        for name in templates {
            assert!(
                names.contains(name),
                "{file} names {name}; there are {names:?}"
            );
        }
    }
}

#[test]
fn the_network_policy_lets_release_tools_in_and_not_the_application() {
    let policy = documents("deploy/kubernetes/network-policy.yaml").remove(0);
    let gate = &policy["spec"]["ingress"][1]["from"];
    let usual = &gate[1]["namespaceSelector"]["matchExpressions"][0]["values"];
    assert_eq!(
        *usual,
        json!(["flagger-system", "argo-rollouts", "monitoring"])
    );
    let label = gate[0]["namespaceSelector"]["matchLabels"]
        .as_object()
        .unwrap();
    let namespace = documents("deploy/examples/namespace.yaml").remove(0);
    let labels = namespace["metadata"]["labels"].as_object().unwrap();
    assert!(label.keys().all(|key| !labels.contains_key(key)));
    let mesh = &policy["spec"]["ingress"][0]["from"][0]["namespaceSelector"]["matchLabels"];
    let mut mesh = mesh.as_object().unwrap().iter();
    assert!(mesh.all(|(key, value)| labels.get(key) == Some(value)));
}
