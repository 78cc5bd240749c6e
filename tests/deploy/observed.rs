//! What watches fusegate: metrics, rules, routes and the dashboard, each checked by the program that will read it.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rstest::rstest;
use serde_json::{Value, json};

use super::{documents, path, read};
use crate::support::fusegate::{Fusegate, FusegateConfig};
use crate::support::scratch::Scratch;
use crate::support::servers::alertmanager::{Alertmanager, AlertmanagerConfig};
use crate::support::servers::assets;
use crate::support::servers::prometheus::{Prometheus, PrometheusConfig};
use crate::support::wait::eventually;

const SOON: Duration = Duration::from_mins(1);

/// What a checking program prints, given something to read.
fn checked(program: &str, args: &[&str], input: &str) -> Result<String> {
    let mut child = Command::new(assets::program(program)?)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no input")?;
    stdin.write_all(input.as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8(told)?;
    ensure!(output.status.success(), "{program} {args:?}: {told}");
    Ok(told)
}

/// Judges the Storefront of the examples, which opens at the first report of more than 250 ms.
fn objects() -> Result<Scratch> {
    let folder = Scratch::new("observed")?;
    for name in ["crd.yaml", "contract.yaml"] {
        folder.write(name, read(&format!("deploy/examples/{name}")))?;
    }
    let mut policy = documents("deploy/examples/policy.yaml").remove(0);
    policy["spec"]["trip"]["consecutive"] = json!(1);
    folder.write("policy.yaml", policy.to_string())?;
    report(&folder, &json!("120ms"))?;
    Ok(folder)
}

fn report(folder: &Scratch, latency: &Value) -> Result<()> {
    let mut object = documents("deploy/examples/storefront.yaml").remove(0);
    object["status"]["conditions"]["network-latency"] = latency.clone();
    folder.write("object.yaml", object.to_string())?;
    Ok(())
}

/// A fusegate that went through an incident: a report that is illegal, a trip that paged, and release tools that asked.
async fn after_an_incident(folder: &Scratch, alertmanager: &Alertmanager) -> Result<Fusegate> {
    let fusegate = Fusegate::start(FusegateConfig::args([
        format!("--source=dir:{}", folder.path().display()),
        "--audit=/dev/null".to_owned(),
        format!("--alertmanager={}", alertmanager.url()),
    ]))
    .await?;
    answers(&fusegate, 200).await?;
    report(folder, &json!({"is": "no duration"}))?;
    let rejected = r#"fusegate_map_operations_total{verdict="Rejected"}"#;
    counts(&fusegate, rejected).await?;
    report(folder, &json!("900ms"))?;
    answers(&fusegate, 403).await?;
    let call = json!({
        "name": "checkout",
        "namespace": "shop",
        "phase": "Progressing",
        "metadata": {"policy": "checkout"},
    });
    let (status, body) = fusegate.post("flagger/v1/confirm-promotion", &call).await?;
    ensure!(status == 403, "{status} {body}");
    counts(
        &fusegate,
        r#"fusegate_alert_posts_total{result="Accepted"}"#,
    )
    .await?;
    Ok(fusegate)
}

async fn answers(fusegate: &Fusegate, status: u16) -> Result<()> {
    eventually(&format!("the gate to answer {status}"), SOON, async || {
        let (found, body) = fusegate.get("v1/gate/shop/checkout").await?;
        ensure!(found == status, "{found} {body}");
        Ok(())
    })
    .await
}

async fn counts(fusegate: &Fusegate, series: &str) -> Result<()> {
    eventually(&format!("{series} to count"), SOON, async || {
        ensure!(fusegate.metric(series).await? >= 1.0, "it is zero");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn promtool_finds_nothing_to_say_of_the_metrics() -> Result<()> {
    let folder = objects()?;
    let alertmanager = Alertmanager::start(AlertmanagerConfig::default()).await?;
    let fusegate = after_an_incident(&folder, &alertmanager).await?;
    let (_, metrics) = fusegate.get("metrics").await?;
    let told = checked("promtool", &["check", "metrics"], &metrics)?;
    assert_eq!(told, "");
    Ok(())
}

#[test]
fn promtool_finds_nothing_wrong_with_the_rules() -> Result<()> {
    let rules = path("deploy/prometheus/rules.yaml");
    let rules = rules.to_str().context("no text")?;
    checked(
        "promtool",
        &["check", "rules", "--lint=all", "--lint-fatal", rules],
        "",
    )?;
    Ok(())
}

/// Of each alert, series of a quarter of an hour in which it fires, beside a fusegate that is well.
const FIRING: [(&str, &[&str]); 22] = [
    ("FusegateAbsent", &["-fusegate_build_info"]),
    (
        "FusegateNoLeader",
        &["-fusegate_leading", "fusegate_leading 0x15"],
    ),
    (
        "FusegateTwoLeaders",
        &[
            "fusegate_leading{instance=\"b\"} 1x15",
            "fusegate_shards{instance=\"b\",shard=\"1\"} 1x15",
        ],
    ),
    (
        "FusegateShardMissing",
        &["-fusegate_shards", "fusegate_shards{shard=\"1\"} 2x15"],
    ),
    (
        "FusegateProxyMisdirected",
        &["fusegate_xds_misdirected 2x15"],
    ),
    (
        "FusegateXdsCertificateStale",
        &["fusegate_xds_tls_stale 1x15"],
    ),
    (
        "FusegateXdsCertificateExpires",
        &["fusegate_xds_tls_expiration_timestamp_seconds 1000x15"],
    ),
    (
        "FusegateFeedUnconfirmed",
        &["fusegate_feeds_unconfirmed{feed=\"Objects\"} 1x15"],
    ),
    (
        "FusegateCircuitOpenByMetric",
        &["fusegate_circuits{namespace=\"shop\",policy=\"checkout\",state=\"Open\"} 2x15"],
    ),
    (
        "FusegateAlertsNotAccepted",
        &["fusegate_alert_posts_total{result=\"Failed\"} 0+1x15"],
    ),
    (
        "FusegateEffectsFail",
        &["fusegate_effects_total{kind=\"Status\",result=\"Failed\"} 0+1x15"],
    ),
    (
        "FusegateAuditIncomplete",
        &["fusegate_audit_lines_dropped_total 0+1x15"],
    ),
    (
        "FusegateRecordingIncomplete",
        &["fusegate_recorded_turns_dropped_total 0+1x15"],
    ),
    (
        "FusegateBoundMet",
        &["fusegate_bounds_met_total{bound=\"alerts\"} 0+1x15"],
    ),
    ("FusegateMemoryShort", &["fusegate_memory_pressure 1x15"]),
    (
        "FusegateUpdatesRejected",
        &["fusegate_map_operations_total{verdict=\"Rejected\"} 0+1x15"],
    ),
    (
        "FusegateAdmissionDenies",
        &[
            "apiserver_validating_admission_policy_check_total{policy=\"fusegate-a\",policy_binding=\"fusegate-a\",enforcement_action=\"deny\"} 0+1x15",
        ],
    ),
    ("FusegateHttpCertificate", &["fusegate_http_tls_stale 1x15"]),
    (
        "FusegateWebhookCertificate",
        &["fusegate_admission_tls_expiration_timestamp_seconds 1000x15"],
    ),
    (
        "FusegateWebhookFailsOpen",
        &["apiserver_admission_webhook_fail_open_count{name=\"a.admission.fusegate.io\"} 0+1x15"],
    ),
    (
        "FusegateQueryFails",
        &[
            "fusegate_prometheus_answers_total{contract=\"a\",key=\"k\",result=\"QueryFailed\"} 0+1x15",
        ],
    ),
    (
        "FusegateReactsSlowly",
        &[
            "fusegate_reaction_seconds_bucket{le=\"0.05\"} 0x15",
            "fusegate_reaction_seconds_bucket{le=\"+Inf\"} 0+1x15",
            "fusegate_reaction_seconds_bucket{le=\"1\"} 0+1x15",
        ],
    ),
];

/// A fusegate that is well.
const WELL: [&str; 8] = [
    "fusegate_build_info 1x15",
    "fusegate_shards{shard=\"1\"} 1x15",
    "fusegate_leading 1x15",
    "fusegate_circuits{namespace=\"shop\",policy=\"other\",state=\"Closed\"} 2x15",
    "fusegate_alert_posts_total{result=\"Accepted\"} 0x15",
    "fusegate_effects_total{kind=\"Status\",result=\"Done\"} 0+1x15",
    "fusegate_map_operations_total{verdict=\"Accepted\"} 0+9x15",
    "fusegate_xds_tls_expiration_timestamp_seconds 90000000x15",
];

/// One unit test for promtool: what fires after a quarter of an hour with these series, of which a minus takes one away.
fn unit(fires: Option<&str>, changes: &[&str]) -> Value {
    let gone = changes.iter().filter_map(|change| change.strip_prefix('-'));
    let gone: Vec<&str> = gone.collect();
    let well = WELL
        .iter()
        .filter(|series| !gone.iter().any(|name| series.starts_with(name)));
    let series = well.chain(changes).filter_map(|line| line.rsplit_once(' '));
    let series = series.map(|(series, values)| json!({"series": series, "values": values}));
    let labels =
        fires.map(|alert| json!({"labels": format!("{{alertname=\"{alert}\"}}"), "value": 1}));
    json!({
        "name": fires.unwrap_or("all is well"),
        "interval": "1m",
        "input_series": series.collect::<Vec<_>>(),
        "promql_expr_test": [{
            "expr": "count by (alertname) (ALERTS{alertstate=\"firing\"})",
            "eval_time": "15m",
            "exp_samples": labels.into_iter().collect::<Vec<_>>(),
        }],
    })
}

#[test]
fn each_rule_fires_on_what_it_is_for_and_alone() -> Result<()> {
    let rules = documents("deploy/prometheus/rules.yaml").remove(0);
    let rules = rules["groups"][0]["rules"].as_array().unwrap();
    for rule in rules {
        let tested = FIRING.iter().any(|(alert, _)| rule["alert"] == *alert);
        assert!(tested, "{} fires in no case of this test", rule["alert"]);
    }
    let firing = FIRING
        .iter()
        .map(|(alert, changes)| unit(Some(alert), changes));
    let tests = json!({
        "rule_files": [path("deploy/prometheus/rules.yaml")],
        "evaluation_interval": "1m",
        "tests": firing.chain([unit(None, &[])]).collect::<Vec<_>>(),
    });
    let folder = Scratch::new("rules")?;
    let file = folder.write("test.yaml", tests.to_string())?;
    checked(
        "promtool",
        &["test", "rules", &file.display().to_string()],
        "",
    )?;
    Ok(())
}

#[test]
fn amtool_finds_nothing_wrong_with_the_routes() -> Result<()> {
    let config = path("deploy/alertmanager/alertmanager.yaml");
    checked(
        "amtool",
        &["check-config", config.to_str().context("no text")?],
        "",
    )?;
    Ok(())
}

#[rstest]
#[case::a_trip("pager", &["alertname=CircuitBreakerOpen", "severity=critical"])]
#[case::nobody_hears("pager", &["alertname=FusegateAlertsNotAccepted", "severity=critical"])]
#[case::a_warning("tickets", &["alertname=FusegateBoundMet", "severity=warning"])]
#[case::without_severity("tickets", &["alertname=FusegateBoundMet"])]
fn alerts_are_routed_to(#[case] receiver: &str, #[case] labels: &[&str]) -> Result<()> {
    let config = format!(
        "--config.file={}",
        path("deploy/alertmanager/alertmanager.yaml").display()
    );
    let verify = format!("--verify.receivers={receiver}");
    let args = ["config", "routes", "test", &config, &verify];
    checked("amtool", &[&args[..], labels].concat(), "")?;
    Ok(())
}

/// Queries of the dashboard that find nothing in this incident: no bound was met, and there is no certificate.
const NOTHING: [&str; 2] = [
    "sum by (bound) (increase(fusegate_bounds_met_total[$__rate_interval])) > 0",
    "min(fusegate_xds_tls_expiration_timestamp_seconds > 0) * 1000",
];

/// Every query of the dashboard, as Grafana sends it.
fn queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels
        .filter_map(|panel| panel["targets"].as_array())
        .flatten();
    let queries = targets.map(|target| {
        let written = target["expr"].as_str().unwrap().to_owned();
        let sent = written
            .replace("$__rate_interval", "1m")
            .replace("$namespace", ".*");
        assert!(!sent.contains('$'), "{sent}");
        (written, sent)
    });
    queries.collect()
}

#[tokio::test]
async fn every_query_of_the_dashboard_finds_what_an_incident_left() -> Result<()> {
    let folder = objects()?;
    let alertmanager = Alertmanager::start(AlertmanagerConfig::default()).await?;
    let fusegate = after_an_incident(&folder, &alertmanager).await?;
    let prometheus = Prometheus::start(PrometheusConfig {
        targets: vec![fusegate.http()],
        ..PrometheusConfig::default()
    })
    .await?;
    let queries = queries();
    assert!(queries.len() > 25, "{queries:?}");
    for (written, sent) in queries {
        let empty = NOTHING.contains(&&*written);
        eventually(&format!("an answer to {sent}"), SOON, async || {
            let answer = prometheus.query(&sent).await?;
            let series = answer.data().as_vector().context("no vector")?.len();
            ensure!((series == 0) == empty, "{series} series");
            Ok(())
        })
        .await?;
    }
    let open =
        r#"sum(max by (namespace, policy) (fusegate_circuits{state="Open",namespace=~".*"}))"#;
    assert_eq!(prometheus.value(open).await?, Some(1.0));
    Ok(())
}
