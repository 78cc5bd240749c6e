//! The body of a request: alerts as Alertmanager's API v2 reads them.

use fusegate_crds::Time;
use serde_json::{Value, json};

use crate::breaker::time::{Span, Wall};
use crate::wire::effect::Alert;

/// How far ahead the end of a firing alert lies. It resolves on its own only after eight failed
/// resends; Prometheus uses four times its own resend delay.
const HORIZON: Span = Span::from_secs(240);

/// A JSON array of alerts, as of now.
pub(super) fn body<'a>(alerts: impl Iterator<Item = &'a Alert>, now: Wall) -> Vec<u8> {
    let alerts: Value = alerts.map(|alert| json(alert, now)).collect();
    alerts.to_string().into_bytes()
}

fn json(alert: &Alert, now: Wall) -> Value {
    let end = alert.ends_at.unwrap_or((now + HORIZON).0);
    let mut body = json!({
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": time(alert.starts_at),
        // An end before the start is a 400; it happens when the clock is set back.
        "endsAt": time(end.max(alert.starts_at)),
    });
    // Alertmanager and what it notifies make the name of the alert a link to this.
    if let Some(link) = alert.annotations.get("link")
        && let Some(fields) = body.as_object_mut()
    {
        fields.insert("generatorURL".to_owned(), Value::from(link.as_ref()));
    }
    body
}

fn time(millis: i64) -> Option<Time> {
    Time::from_millis(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_firing_alert_ends_in_four_minutes_a_resolved_one_when_it_did() {
        let mut alert = Alert {
            labels: [("alertname".into(), "CircuitBreakerOpen".into())].into(),
            annotations: [
                ("summary".into(), "It is open.".into()),
                ("link".into(), "http://fusegate/#/trips/1".into()),
            ]
            .into(),
            starts_at: 1_700_000_000_000,
            ends_at: None,
        };
        let now = Wall(1_700_000_060_000);
        let read = |alert: &Alert, now| -> Value {
            serde_json::from_slice(&body(std::iter::once(alert), now)).unwrap()
        };
        let expected = json!([{
            "labels": {"alertname": "CircuitBreakerOpen"},
            "annotations": {"summary": "It is open.", "link": "http://fusegate/#/trips/1"},
            "generatorURL": "http://fusegate/#/trips/1",
            "startsAt": "2023-11-14T22:13:20.000Z",
            "endsAt": "2023-11-14T22:18:20.000Z",
        }]);
        assert_eq!(read(&alert, now), expected);
        alert.ends_at = Some(1_700_000_030_000);
        assert_eq!(read(&alert, now)[0]["endsAt"], "2023-11-14T22:13:50.000Z");
        alert.ends_at = None;
        let set_back = Wall(1_600_000_000_000);
        assert_eq!(
            read(&alert, set_back)[0]["endsAt"],
            "2023-11-14T22:13:20.000Z"
        );
    }
}
