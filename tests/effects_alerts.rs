//! Alerts in real Alertmanagers: they fire, resolve, outlive an outage, and are grouped, inhibited and silenced.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, ensure};
use axum::{
    Router,
    body::Bytes,
    http::{HeaderMap, StatusCode, Uri},
};
use fusegate::{
    breaker::time::Span,
    effects::dispatch::{Backend, Config, Dispatcher},
    runtime::{clock::Clock, metrics::Metrics, server_url::ServerUrl, tenure::Tenure},
    source::{dir::layout::Layout, queue},
    wire::effect::{Alert, Effect},
};
use serde_json::Value;

use crate::support::{
    http,
    scratch::Scratch,
    servers::{
        alertmanager::{Alertmanager, AlertmanagerConfig, Secured},
        authority::Authority,
    },
    wait::eventually,
};

const SOON: Duration = Duration::from_mins(1);

/// What an Alertmanager keeps of the password `test`, as the guide to basic authentication of Prometheus has it.
const HASH: &str = "$2b$12$hNf2lSsxfm0.i4a.1kVpSOVyBCfIB51VRjgBUyv6kdnyTlgWj81Ay";

/// A leading dispatcher that sends to these Alertmanagers.
fn dispatcher(to: &[&Alertmanager]) -> Result<Dispatcher> {
    let urls = to.iter().map(|each| each.url().parse());
    dispatcher_to(urls.collect::<Result<_, _>>()?, &Metrics::new())
}

fn dispatcher_to(alertmanagers: Vec<ServerUrl>, metrics: &Metrics) -> Result<Dispatcher> {
    let limits = queue::Limits {
        events: 1,
        bytes: 1 << 20,
    };
    let (reports, _) = queue::open(limits, Metrics::new());
    let dispatcher = Dispatcher::start(Config {
        backend: Backend::Dir(Layout::new("/nowhere")),
        audit: None,
        alertmanagers,
        reports,
        clock: Clock::start(),
        tenure: Tenure::endless(Clock::start()),
        metrics: metrics.clone(),
    })?;
    dispatcher.set_leading(true);
    Ok(dispatcher)
}

fn now() -> i64 {
    Clock::start().now().wall.0
}

fn alert(starts_at: i64, ends_at: Option<i64>, value: &str) -> Effect {
    let labels = [("alertname", "CircuitBreakerOpen"), ("name", "web")];
    labelled(&labels, starts_at, ends_at, value)
}

fn labelled(labels: &[(&str, &str)], starts_at: i64, ends_at: Option<i64>, value: &str) -> Effect {
    let labels = labels.iter();
    Effect::Alert(Alert {
        labels: labels
            .map(|(name, value)| ((*name).into(), (*value).into()))
            .collect(),
        annotations: [("value".into(), value.into())].into(),
        starts_at,
        ends_at,
    })
}

async fn until(
    alertmanager: &Alertmanager,
    what: &str,
    holds: impl Fn(&[Value]) -> bool,
) -> Result<Vec<Value>> {
    eventually(what, SOON, async || {
        let alerts = alertmanager.alerts().await?;
        ensure!(holds(&alerts), "{alerts:?}");
        Ok(alerts)
    })
    .await
}

#[tokio::test]
async fn an_alert_stands_in_every_alertmanager_changes_and_resolves() -> Result<()> {
    let config = AlertmanagerConfig::default;
    let (one, other) =
        tokio::try_join!(Alertmanager::start(config()), Alertmanager::start(config()))?;
    let dispatcher = dispatcher(&[&one, &other])?;
    let started = now() - 5_000;
    dispatcher.dispatch(alert(started, None, "251ms"));
    for alertmanager in [&one, &other] {
        let alerts = until(alertmanager, "the alert", |alerts| alerts.len() == 1).await?;
        assert_eq!(alerts[0]["labels"]["name"], "web");
        let at = fusegate_crds::Time::from_millis(started).map(|time| time.to_string());
        assert_eq!(alerts[0]["startsAt"].as_str(), at.as_deref());
    }
    dispatcher.dispatch(alert(started, None, "300ms"));
    until(&one, "the new value", |alerts| {
        alerts.len() == 1 && alerts[0]["annotations"]["value"] == "300ms"
    })
    .await?;
    dispatcher.dispatch(alert(started, Some(now()), "300ms"));
    for alertmanager in [&one, &other] {
        until(alertmanager, "its end", <[Value]>::is_empty).await?;
    }
    dispatcher.drain(Span::from_secs(5)).await;
    Ok(())
}

#[tokio::test]
async fn after_an_outage_the_alert_arrives_with_its_true_start_and_resolves() -> Result<()> {
    let mut alertmanager = Alertmanager::start(AlertmanagerConfig::default()).await?;
    alertmanager.kill()?;
    let dispatcher = dispatcher(&[&alertmanager])?;
    let started = now() - 60_000;
    dispatcher.dispatch(alert(started, None, "251ms"));
    alertmanager.restart().await?;
    let alerts = until(&alertmanager, "the alert", |alerts| alerts.len() == 1).await?;
    let at = fusegate_crds::Time::from_millis(started).map(|time| time.to_string());
    assert_eq!(alerts[0]["startsAt"].as_str(), at.as_deref());
    dispatcher.dispatch(alert(started, Some(now()), "100ms"));
    until(&alertmanager, "its end", <[Value]>::is_empty).await?;
    Ok(())
}

/// Hands on what comes with this token, as a proxy before an Alertmanager does.
async fn proxy(to: String, token: &'static str) -> Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let client = http::client()?;
    let router = Router::new().fallback(
        move |uri: Uri, headers: HeaderMap, body: Bytes| async move {
            let given = headers.get("authorization").and_then(|it| it.to_str().ok());
            if given != Some(&format!("Bearer {token}")) {
                return StatusCode::UNAUTHORIZED;
            }
            let handed_on = client.post(format!("{to}{uri}")).body(body);
            let handed_on = handed_on.header("content-type", "application/json");
            let answer = handed_on.send().await;
            answer.map_or(StatusCode::BAD_GATEWAY, |answer| answer.status())
        },
    );
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(url)
}

/// Waits until an alert was posted in vain; it is kept.
async fn until_refused(metrics: &Metrics) -> Result<()> {
    eventually("a post that failed", SOON, async || {
        let text = metrics.encode();
        let failed = "fusegate_alert_posts_total{result=\"Failed\"} ";
        let count = text.lines().find_map(|line| line.strip_prefix(failed));
        ensure!(count.is_some_and(|count| count != "0"), "{count:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_prefix_tls_and_a_password_are_no_obstacle() -> Result<()> {
    let folder = Scratch::new("alertmanager-client")?;
    let authority = Authority::new()?;
    let server = authority.for_host("localhost")?;
    let cert = folder.write("server.crt", server.certificate)?;
    let key = folder.write("server.key", server.key)?;
    folder.write("ca.crt", authority.pem())?;
    let password = folder.write("password", "wrong")?;
    let options = folder.write(
        "http.yaml",
        "basic_auth: {username: fusegate, password_file: password}\ntls_config: {ca_file: ca.crt}\n",
    )?;
    let alertmanager = Alertmanager::start(AlertmanagerConfig {
        prefix: "/ops/alerts".to_owned(),
        secured: Some(Secured {
            web: format!(
                "tls_server_config: {{cert_file: {}, key_file: {}}}\nbasic_auth_users: {{fusegate: {HASH}}}\n",
                cert.display(),
                key.display()
            ),
            authority: authority.pem().to_owned(),
            user: ("fusegate".to_owned(), "test".to_owned()),
        }),
        ..AlertmanagerConfig::default()
    })
    .await?;
    let url: ServerUrl = alertmanager.url().parse()?;
    let metrics = Metrics::new();
    let dispatcher = dispatcher_to(vec![url.with_options_in(Some(options))], &metrics)?;
    let started = now();
    dispatcher.dispatch(alert(started, None, "251ms"));
    until_refused(&metrics).await?;
    fs::write(password, "test\n")?;
    until(&alertmanager, "the alert", |alerts| alerts.len() == 1).await?;
    dispatcher.dispatch(alert(started, Some(now()), "100ms"));
    until(&alertmanager, "its end", <[Value]>::is_empty).await?;
    Ok(())
}

#[tokio::test]
async fn a_bearer_token_is_shown_to_the_proxy_of_an_alertmanager() -> Result<()> {
    let folder = Scratch::new("alertmanager-token")?;
    let token = folder.write("token", "first\n")?;
    let options = folder.write("http.yaml", "authorization: {credentials_file: token}\n")?;
    let alertmanager = Alertmanager::start(AlertmanagerConfig::default()).await?;
    let url: ServerUrl = proxy(alertmanager.url(), "second").await?.parse()?;
    let metrics = Metrics::new();
    let dispatcher = dispatcher_to(vec![url.with_options_in(Some(options))], &metrics)?;
    dispatcher.dispatch(alert(now(), None, "251ms"));
    until_refused(&metrics).await?;
    fs::write(token, "second\n")?;
    until(&alertmanager, "the alert", |alerts| alerts.len() == 1).await?;
    Ok(())
}

/// The Alertmanager that `deploy/` proposes.
async fn proposed() -> Result<Alertmanager> {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/deploy/alertmanager/alertmanager.yaml"
    );
    Alertmanager::start(AlertmanagerConfig {
        file: Some(fs::read_to_string(file)?),
        ..AlertmanagerConfig::default()
    })
    .await
}

/// The alerts of a name, each with what keeps it from being told.
fn named<'a>(alerts: &'a [Value], name: &str) -> Vec<&'a Value> {
    let named = alerts.iter();
    named
        .filter(|alert| alert["labels"]["alertname"] == name)
        .collect()
}

fn circuit<'a>(alertname: &'a str, severity: &'a str, name: &'a str) -> [(&'a str, &'a str); 5] {
    [
        ("alertname", alertname),
        ("severity", severity),
        ("cluster", "eu"),
        ("namespace", "shop"),
        ("name", name),
    ]
}

#[tokio::test]
async fn alerts_are_grouped_inhibited_and_silenced_as_proposed() -> Result<()> {
    let alertmanager = proposed().await?;
    let dispatcher = dispatcher(&[&alertmanager])?;
    let started = now();
    for labels in [
        circuit("CircuitBreakerOpen", "critical", "web"),
        circuit("StorefrontSlow", "warning", "web"),
        circuit("StorefrontSlow", "warning", "other"),
    ] {
        dispatcher.dispatch(labelled(&labels, started, None, "251ms"));
    }
    alertmanager.silence("name", "other").await?;
    let alerts = until(&alertmanager, "what is kept back", |alerts| {
        let silenced = alerts
            .iter()
            .any(|alert| alert["status"]["silencedBy"] != serde_json::json!([]));
        alerts.len() == 3 && silenced
    })
    .await?;
    let open = named(&alerts, "CircuitBreakerOpen");
    assert_eq!(open[0]["status"]["state"], "active", "{open:?}");
    for slow in named(&alerts, "StorefrontSlow") {
        assert_eq!(slow["status"]["state"], "suppressed", "{slow}");
        let by = if slow["labels"]["name"] == "web" {
            "inhibitedBy"
        } else {
            "silencedBy"
        };
        let by = slow["status"][by].as_array().context("no list")?;
        assert_eq!(by.len(), 1, "{slow}");
    }
    let groups = alertmanager.groups().await?;
    let mut names: Vec<_> = groups
        .iter()
        .map(|group| format!("{}/{}", group["receiver"]["name"], group["labels"]["name"]))
        .collect();
    names.sort();
    let expected = [
        r#""pager"/"web""#,
        r#""tickets"/"other""#,
        r#""tickets"/"web""#,
    ];
    assert_eq!(names, expected, "{groups:?}");
    Ok(())
}

#[tokio::test]
async fn a_firing_alert_is_sent_again_and_again() -> Result<()> {
    let alertmanager = Alertmanager::start(AlertmanagerConfig::default()).await?;
    let dispatcher = dispatcher(&[&alertmanager])?;
    dispatcher.dispatch(alert(now(), None, "251ms"));
    eventually("the alert to be sent again", SOON, async || {
        let received = alertmanager.received("firing").await?;
        ensure!(received >= 2.0, "{received}");
        Ok(())
    })
    .await?;
    ensure!(alertmanager.received("resolved").await? < 1.0);
    Ok(())
}
