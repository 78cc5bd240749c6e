//! Kubernetes Events: what they have of one trip, in the form in which a replica tells it.
//!
//! The API server keeps them for an hour unless it is set up otherwise.

use std::ops::ControlFlow;

use k8s_openapi::api::events::v1::Event;
use kube::Resource as _;
use serde_json::{Value, json};

use crate::cli::kube::KubeOptions;
use crate::effects::cluster::Cluster;
use crate::effects::kube_event::CONTROLLER;
use crate::runtime::client::NoClient;

/// The Events of one request.
const PAGE: u32 = 500;

/// The most Events of a story.
const MOST_EVENTS: usize = 10_000;

/// Why Events tell nothing.
#[derive(Debug, thiserror::Error)]
pub enum UnreadEvents {
    /// There is no API server to ask.
    #[error(transparent)]
    Client(#[from] NoClient),
    /// The API server refused or did not answer.
    #[error("listing Events of events.k8s.io in all namespaces: {0}")]
    Refused(String),
    /// None is about the trip.
    #[error(
        "no Event is about trip {0}; the API server keeps Events for an hour, so give --audit or --recording for an older trip"
    )]
    Nothing(String),
}

/// What the Events of a cluster have of a trip.
pub(super) async fn story(kube: &KubeOptions, trip: &str) -> Result<Value, UnreadEvents> {
    let cluster = Cluster {
        client: kube.connect().await?,
        namespace: String::new(),
    };
    let mut story: Vec<Value> = Vec::new();
    let take = |page: Vec<Event>| {
        story.extend(page.iter().filter_map(|event| entry(event, trip)));
        if story.len() < MOST_EVENTS {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    };
    let listed = cluster.pages(&Event::url_path(&(), None), PAGE, take).await;
    listed.map_err(|answer| UnreadEvents::Refused(answer.to_string()))?;
    if story.is_empty() {
        return Err(UnreadEvents::Nothing(trip.to_owned()));
    }
    story.sort_by_key(|entry| entry.get("at").and_then(Value::as_i64));
    Ok(json!({"id": trip, "story": story, "omitted": 0}))
}

/// An Event of ours that names the trip.
fn entry(event: &Event, trip: &str) -> Option<Value> {
    let note = event.note.as_deref()?;
    if event.reporting_controller.as_deref() != Some(CONTROLLER) || !note.contains(trip) {
        return None;
    }
    let about = event.regarding.clone().unwrap_or_default();
    let parts = [about.kind, about.namespace, about.name];
    let resource: Vec<String> = parts.into_iter().flatten().collect();
    let at = event
        .event_time
        .as_ref()
        .map(|time| time.0.as_millisecond());
    Some(json!({
        "at": at, "action": "Event", "operation": event.reason, "verdict": event.type_,
        "source": "event", "resource": resource.join("/"), "policy": null, "reason": note,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_ours_that_names_the_trip_is_of_its_story() {
        let event = |controller: &str, note: &str| {
            let event = json!({
                "metadata": {"name": "a"}, "eventTime": "1970-01-01T00:00:01.000000Z", "reason": "CircuitOpened",
                "type": "Warning", "note": note, "reportingController": controller,
                "regarding": {"kind": "Storefront", "namespace": "shop", "name": "eu-1"},
            });
            serde_json::from_value::<Event>(event).unwrap()
        };
        let note = "policy shop/checkout: Closed → Open: 3 in a row (trip 0abc)";
        let told = entry(&event(CONTROLLER, note), "0abc").unwrap();
        assert_eq!(told["at"], 1_000);
        assert_eq!(told["resource"], "Storefront/shop/eu-1");
        assert_eq!(entry(&event("other", note), "0abc"), None);
        assert_eq!(entry(&event(CONTROLLER, note), "0def"), None);
    }
}
