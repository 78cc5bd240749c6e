//! The index: what this port answers, for whoever opens it in a browser.

use axum::Json;
use serde::Serialize;

use crate::serve::state::ServeState;

/// Method, path and meaning of every endpoint, in the order of use.
pub(super) const ENDPOINTS: [(&str, &str, &str); 26] = [
    ("GET", "/healthz", "200 while the engine comes round"),
    (
        "GET",
        "/readyz",
        "200 once contracts, policies and overrides have been listed",
    ),
    (
        "GET",
        "/metrics",
        "for Prometheus: its text format, or OpenMetrics",
    ),
    (
        "GET",
        "/v1/bounds",
        "what may grow, how far it has, and what happens at the limit",
    ),
    (
        "GET",
        "/v1/top",
        "which objects and keys feed what grows: by writes, bytes, entries, and keys that broke a contract",
    ),
    (
        "GET",
        "/v1/policies",
        "policies: ?namespace= &limit= &continue=",
    ),
    (
        "GET",
        "/v1/circuits",
        "circuits: ?namespace= &policy= &state= &q= &limit= &continue=",
    ),
    (
        "GET",
        "/v1/circuits/{namespace}/{policy}/{object}",
        "a circuit: its history, the proxies that hold it, its gate, and what to type",
    ),
    (
        "GET",
        "/v1/trips/{id}",
        "a trip: what broke, and what was done about it, in order",
    ),
    (
        "GET",
        "/v1/overview",
        "what is open, armed, latched, suppressed, and what is wrong with the installation",
    ),
    (
        "GET",
        "/v1/policies/{namespace}/{name}",
        "a policy, and what it says of itself",
    ),
    (
        "GET",
        "/v1/contracts",
        "contracts, and what is wrong with them",
    ),
    (
        "GET",
        "/v1/contracts/{name}",
        "a contract: schemas of its CRD, how they differ, what linting finds",
    ),
    (
        "GET",
        "/v1/events",
        "server-sent events: `changed` whenever something above has",
    ),
    (
        "GET",
        "/v1/proxies",
        "connected Envoys: ?node= &cluster= &layer= &behind= &limit= &continue=",
    ),
    (
        "GET",
        "/v1/gate/{namespace}/{policy}",
        "the gate: 200 passes, 403 refuses, 424 unknown: ?object= &objects= &selector= &condition= &since= &wait=",
    ),
    (
        "GET",
        "/argo/v1/verdict",
        "for Argo Rollouts: ?namespace= &policy= &object= &objects= &selector= &condition= &since= &rollout=",
    ),
    ("POST", "/flagger/v1/confirm-rollout", "for Flagger"),
    ("POST", "/flagger/v1/pre-rollout", "for Flagger"),
    ("POST", "/flagger/v1/rollout", "for Flagger"),
    (
        "POST",
        "/flagger/v1/confirm-traffic-increase",
        "for Flagger",
    ),
    ("POST", "/flagger/v1/confirm-promotion", "for Flagger"),
    (
        "POST",
        "/flagger/v1/rollback",
        "for Flagger; 200 rolls back",
    ),
    ("POST", "/flagger/v1/post-rollout", "for Flagger"),
    ("POST", "/flagger/v1/event", "for Flagger"),
    (
        "POST",
        "/v1/alertmanager",
        "for Alertmanager's webhook, with a token: an alert that a policy names forces its circuits Open",
    ),
];

/// The index.
#[derive(Debug, Serialize)]
pub(in crate::serve) struct Document {
    name: &'static str,
    version: &'static str,
    synced: bool,
    leads: bool,
    policies: usize,
    objects: usize,
    endpoints: Vec<Endpoint>,
}

#[derive(Debug, Serialize)]
struct Endpoint {
    method: &'static str,
    path: &'static str,
    answers: &'static str,
}

pub(in crate::serve) fn show(state: &ServeState) -> Json<Document> {
    let view = state.view.load();
    let endpoints = ENDPOINTS.map(|(method, path, answers)| Endpoint {
        method,
        path,
        answers,
    });
    Json(Document {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        synced: view.synced,
        leads: view.leads,
        policies: view.policies.len(),
        objects: view.objects,
        endpoints: endpoints.into(),
    })
}
