//! Alerts in real Alertmanagers: they fire, resolve, and outlive an outage.

use std::time::Duration;

use anyhow::{Result, ensure};
use fusegate::{
    breaker::time::Span,
    effects::dispatch::{Backend, Config, Dispatcher},
    runtime::{clock::Clock, metrics::Metrics},
    source::{dir::layout::Layout, queue},
    wire::effect::{Alert, Effect},
};
use serde_json::Value;

use crate::support::{
    servers::alertmanager::{Alertmanager, AlertmanagerConfig},
    wait::eventually,
};

const SOON: Duration = Duration::from_mins(1);

/// A leading dispatcher that sends to these Alertmanagers.
fn dispatcher(to: &[&Alertmanager]) -> Result<Dispatcher> {
    let urls = to.iter().map(|each| each.url().parse());
    let limits = queue::Limits {
        events: 1,
        bytes: 1 << 20,
    };
    let (reports, _) = queue::open(limits, Metrics::new());
    let dispatcher = Dispatcher::start(Config {
        backend: Backend::Dir(Layout::new("/nowhere")),
        audit: None,
        alertmanagers: urls.collect::<Result<_, _>>()?,
        reports,
        clock: Clock::start(),
        metrics: Metrics::new(),
    })?;
    dispatcher.set_leading(true);
    Ok(dispatcher)
}

fn now() -> i64 {
    Clock::start().now().wall.0
}

fn alert(starts_at: i64, ends_at: Option<i64>, value: &str) -> Effect {
    let labels = [("alertname", "CircuitBreakerOpen"), ("name", "web")];
    Effect::Alert(Alert {
        labels: labels
            .map(|(name, value)| (name.into(), value.into()))
            .into(),
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
