//! The bounds, as JSON: `GET /v1/bounds`.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::serve::bounds::BoundUsage;
use crate::serve::state::ServeState;

#[derive(Debug, Serialize)]
pub(super) struct Document {
    items: Vec<BoundUsage>,
}

pub(super) async fn list(State(state): State<ServeState>) -> Json<Document> {
    let items = (state.bounds)();
    Json(Document { items })
}
