//! A trip: what broke, and what was done about it, in order, for `GET /v1/trips/{id}`.

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;

use crate::breaker::circuit::TripId;
use crate::serve::history::story::Entry;
use crate::serve::page::circuit::{self, Found};
use crate::serve::page::missing::Missing;
use crate::serve::state::ServeState;
use crate::serve::wire;

/// One trip.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    id: String,
    /// Whether it is still being recovered from.
    stands: bool,
    story: Vec<EntryDocument>,
    omitted: usize,
    /// Why there is no story, where there is none.
    note: Option<&'static str>,
    /// Its circuit, while there is one whose last trip it is.
    circuit: Option<circuit::Document>,
}

#[derive(Debug, Serialize)]
struct EntryDocument {
    at: i64,
    action: &'static str,
    operation: &'static str,
    verdict: &'static str,
    source: &'static str,
    resource: String,
    policy: Option<String>,
    reason: String,
}

/// What is said where a trip is older than this process.
const FORGOTTEN: &str =
    "this replica was started after the trip, or has forgotten it; the audit log has its story";

pub(super) async fn show(
    State(state): State<ServeState>,
    Path(id): Path<String>,
) -> Result<Json<Document>, Missing> {
    let missing = || Missing::Trip(wire::quoted(&id));
    // However it is written, a trip has one name.
    let id = id.parse::<TripId>().map_err(|_| missing())?.to_string();
    let view = state.view.load_full();
    let story = state.history.read().await.story(&id).cloned();
    let found = Found::of_trip(&view, &id);
    if story.is_none() && found.is_none() {
        return Err(missing());
    }
    let circuit = match &found {
        Some(found) => Some(circuit::document(&state, &view, found).await),
        None => None,
    };
    let note = story.is_none().then_some(FORGOTTEN);
    let story = story.unwrap_or_default();
    let trip = found.and_then(|found| found.circuit.trip);
    Ok(Json(Document {
        stands: trip.is_some_and(|trip| trip.to_string() == id),
        id,
        story: story.entries.iter().map(EntryDocument::new).collect(),
        omitted: story.omitted,
        note,
        circuit,
    }))
}

impl EntryDocument {
    fn new(entry: &Entry) -> Self {
        Self {
            at: entry.at.0,
            action: entry.action,
            operation: entry.operation,
            verdict: entry.verdict,
            source: entry.source,
            resource: entry.resource.to_string(),
            policy: entry.policy.as_deref().map(str::to_owned),
            reason: entry.reason.to_string(),
        }
    }
}
