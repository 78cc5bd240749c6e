//! The xDS port as its operators see it: who may come, what they may have, and what is told of them.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::support::fusegate::{Fusegate, FusegateConfig, program};
use crate::support::scratch::Scratch;
use crate::support::servers::authority::{Authority, Issued};
use crate::support::servers::envoy::{Envoy, EnvoyConfig, Variant};
use crate::support::wait::eventually;

const SOON: Duration = Duration::from_mins(1);
const HOST: &str = "fusegate-xds.fusegate-system.svc";

/// A directory without policies: each layer that may be asked for exists, and is empty.
fn folder(scratch: &Scratch) -> Result<String> {
    let watched = scratch.path().join("watched");
    fs::create_dir(&watched)?;
    Ok(format!("--source=dir:{}", watched.display()))
}

/// What is known of the one proxy with this id, once `holds` of its layers.
async fn proxy(
    fusegate: &Fusegate,
    node: &str,
    what: &str,
    holds: impl Fn(&Value) -> bool,
) -> Result<Value> {
    eventually(what, SOON, async || {
        let page = fusegate
            .get_json(&format!("v1/proxies?node={node}"))
            .await?;
        let found = page["items"].as_array().context("no items")?;
        ensure!(found.len() == 1 && holds(&found[0]["types"][0]), "{page}");
        Ok(found[0].clone())
    })
    .await
}

/// Whether all layers but `denied` are taken as they are published.
fn holds_all_but(denied: &[&str]) -> impl Fn(&Value) -> bool {
    let denied: Vec<String> = denied.iter().map(|name| (*name).to_owned()).collect();
    move |of_type: &Value| {
        let names = of_type["names"].as_array();
        names.is_some_and(|names| {
            names.iter().all(|name| {
                let given = name["acked"].is_string() && name["acked"] == name["published"];
                let kept = denied.iter().any(|denied| name["name"] == *denied);
                kept != given && name["permitted"] == !kept
            })
        })
    }
}

fn ask(fusegate: &Fusegate, more: &[&str]) -> Result<Output> {
    let server = format!("http://{}", fusegate.http());
    let output = Command::new(program()?)
        .args(["proxies", "--server", &server])
        .args(more)
        .output()?;
    Ok(output)
}

#[tokio::test]
async fn the_proxies_are_listed_page_by_page_and_by_the_command() -> Result<()> {
    let scratch = Scratch::new("proxies")?;
    let fusegate = Fusegate::start(FusegateConfig::args([folder(&scratch)?])).await?;
    let start = async |node: &str, variant, layers: &[&str]| {
        let config = EnvoyConfig {
            node_id: node.to_owned(),
            xds: vec![fusegate.xds()],
            variant,
            layers: layers.iter().map(|layer| (*layer).to_owned()).collect(),
            ..EnvoyConfig::default()
        };
        Envoy::start_live(config).await
    };
    let (_sotw, _delta) = tokio::try_join!(
        start("edge-1", Variant::Sotw, &["shop"]),
        start("edge-2", Variant::Delta, &["shop", "shop.conditions"]),
    )?;
    for (node, transport, names) in [("edge-1", "sotw-ads", 1), ("edge-2", "delta-ads", 2)] {
        let found = proxy(&fusegate, node, "its layers", holds_all_but(&[])).await?;
        let layers = &found["types"][0];
        ensure!(
            layers["type"] == "envoy.service.runtime.v3.Runtime",
            "{found}"
        );
        ensure!(layers["subscribed"] == names, "{found}");
        ensure!(found["transport"] == transport, "{found}");
        ensure!(found["userAgent"] == "envoy 1.40.0", "{found}");
        ensure!(
            layers["behind"] == json!({"names": 0, "versions": 0, "seconds": 0}),
            "{found}"
        );
        ensure!(
            layers["sent"]["version"] == layers["acked"]["version"],
            "{found}"
        );
    }
    the_pages_are_two(&fusegate).await?;
    the_command_lists_them(&fusegate)?;
    ensure!(fusegate.metric("fusegate_xds_streams").await? >= 2.0);
    ensure!(
        fusegate
            .metric("fusegate_xds_events_total{event=\"nack\"}")
            .await?
            < 1.0
    );
    Ok(())
}

/// Each of two proxies has a page of its own.
async fn the_pages_are_two(fusegate: &Fusegate) -> Result<()> {
    let first = fusegate.get_json("v1/proxies?limit=1").await?;
    let next = first["continue"].as_str().context("no second page")?;
    let second = fusegate
        .get_json(&format!("v1/proxies?limit=1&continue={next}"))
        .await?;
    ensure!(
        second["items"].as_array().map(Vec::len) == Some(1),
        "{second}"
    );
    ensure!(
        second["items"][0]["node"] != first["items"][0]["node"],
        "{second}"
    );
    ensure!(second.get("continue").is_none(), "{second}");
    let (status, told) = fusegate.get("v1/proxies?continue=x").await?;
    ensure!(status == 400 && told.contains("`continue`"), "{told}");
    Ok(())
}

/// The command lists both, and those that it is asked for.
fn the_command_lists_them(fusegate: &Fusegate) -> Result<()> {
    let table = String::from_utf8(ask(fusegate, &[])?.stdout)?;
    ensure!(table.lines().count() == 3, "{table}");
    ensure!(table.contains("shop, shop.conditions"), "{table}");
    let filtered = ask(
        fusegate,
        &["--layer", "shop.conditions", "--output", "json"],
    )?;
    let filtered: Value = serde_json::from_slice(&filtered.stdout)?;
    ensure!(
        filtered["items"].as_array().map(Vec::len) == Some(1),
        "{filtered}"
    );
    ensure!(filtered["items"][0]["node"] == "edge-2", "{filtered}");
    let behind = String::from_utf8(ask(fusegate, &["--behind"])?.stdout)?;
    ensure!(behind.starts_with("no proxy that matches"), "{behind}");
    Ok(())
}

/// The files that the options of the xDS port name.
struct Secret {
    scratch: Scratch,
}

impl Secret {
    fn new() -> Result<Self> {
        Ok(Self {
            scratch: Scratch::new("secret")?,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn write(&self, issued: &Issued, clients: &Authority) -> Result<()> {
        fs::write(self.path("tls.crt"), &issued.certificate)?;
        fs::write(self.path("tls.key"), &issued.key)?;
        fs::write(self.path("ca.crt"), clients.pem())?;
        Ok(())
    }

    fn args(&self) -> Vec<String> {
        let files = [
            ("cert", "tls.crt"),
            ("key", "tls.key"),
            ("client-ca", "ca.crt"),
        ];
        files
            .map(|(flag, name)| format!("--xds-tls-{flag}={}", self.path(name).display()))
            .into()
    }
}

fn socket(own: &Issued, servers: &Authority) -> Value {
    json!({
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": HOST,
            "common_tls_context": {
                "tls_certificates": [{
                    "certificate_chain": {"inline_string": own.certificate},
                    "private_key": {"inline_string": own.key},
                }],
                "validation_context": {
                    "trusted_ca": {"inline_string": servers.pem()},
                    "match_typed_subject_alt_names": [
                        {"san_type": "DNS", "matcher": {"exact": HOST}},
                    ],
                },
            },
        },
    })
}

#[tokio::test]
async fn an_envoy_has_the_layers_of_its_certificate_even_after_a_new_one() -> Result<()> {
    let (servers, clients) = (Authority::new()?, Authority::new()?);
    let (scratch, secret) = (Scratch::new("mtls")?, Secret::new()?);
    secret.write(&servers.for_host(HOST)?, &clients)?;
    let config = FusegateConfig::args(secret.args())
        .arg(folder(&scratch)?)
        .arg("--xds-layers=certificate")
        .arg("--xds-max-connection-age=1s");
    let fusegate = Fusegate::start(config).await?;
    let uri = "spiffe://example.com/ns/shop/sa/edge";
    let own = clients.for_uri(uri)?;
    let envoy = async |node: &str, variant, own: &Issued| {
        Envoy::start_live(EnvoyConfig {
            node_id: node.to_owned(),
            xds: vec![fusegate.xds()],
            variant,
            xds_socket: Some(socket(own, &servers)),
            layers: vec!["shop.canary".to_owned(), "bank".to_owned()],
            initial_fetch_timeout: Duration::from_millis(500),
            ..EnvoyConfig::default()
        })
        .await
    };
    let (_sotw, _delta) = tokio::try_join!(
        envoy("sotw", Variant::Sotw, &own),
        envoy("delta", Variant::Delta, &own),
    )?;
    for node in ["sotw", "delta"] {
        let found = proxy(&fusegate, node, "its own layer", holds_all_but(&["bank"])).await?;
        ensure!(found["certificate"] == uri, "{found}");
    }
    let denied = "fusegate_xds_events_total{event=\"name_denied\"}";
    ensure!(fusegate.metric(denied).await? >= 2.0);
    certificates_are_replaced(&fusegate, &secret, &servers, &clients).await
}

/// A key that can't be used changes nothing, and a certificate that Envoys don't trust is in use until it is replaced.
async fn certificates_are_replaced(
    fusegate: &Fusegate,
    secret: &Secret,
    servers: &Authority,
    clients: &Authority,
) -> Result<()> {
    let reloads = |result: &str| format!("fusegate_xds_tls_reloads_total{{result=\"{result}\"}}");
    let reaches = async |series: &str, least: f64| {
        eventually(series, SOON, async || {
            let value = fusegate.metric(series).await?;
            ensure!(value >= least, "{value}");
            Ok(())
        })
        .await
    };
    fs::write(secret.path("tls.key"), "no key")?;
    reaches(&reloads("Failed"), 1.0).await?;
    reaches("fusegate_xds_tls_stale", 1.0).await?;
    let log = fusegate.log()?;
    ensure!(log.contains("those read earlier stay in use"), "{log}");
    let strangers = Authority::new()?;
    secret.write(&strangers.for_host(HOST)?, clients)?;
    reaches(&reloads("Loaded"), 1.0).await?;
    // Envoy does not trust it, so both are gone once their connections have reached their age.
    eventually("nobody", SOON, async || {
        let page = fusegate.get_json("v1/proxies").await?;
        ensure!(page["items"] == json!([]), "{page}");
        Ok(())
    })
    .await?;
    secret.write(&servers.for_host(HOST)?, clients)?;
    for node in ["sotw", "delta"] {
        proxy(fusegate, node, "its return", holds_all_but(&["bank"])).await?;
    }
    ensure!(fusegate.metric("fusegate_xds_tls_stale").await? < 1.0);
    let expiration = "fusegate_xds_tls_expiration_timestamp_seconds";
    ensure!(fusegate.metric(expiration).await? > 0.0);
    Ok(())
}

#[test]
fn a_port_that_is_open_to_all_is_refused_with_what_to_do() -> Result<()> {
    let scratch = Scratch::new("open")?;
    let folder = folder(&scratch)?;
    let run = |more: &[&str]| {
        let output = Command::new(program()?)
            .args(["run", &folder])
            .args(more)
            .output()?;
        ensure!(!output.status.success());
        anyhow::Ok(String::from_utf8(output.stderr)?)
    };
    let told = run(&["--xds-listen=0.0.0.0:0"])?;
    ensure!(told.contains("give --xds-insecure if"), "{told}");
    let missing = ["--xds-tls-cert=/none.crt", "--xds-tls-key=/none.key"];
    let told = run(&missing)?;
    ensure!(told.contains("reading --xds-tls-cert /none.crt"), "{told}");
    Ok(())
}
