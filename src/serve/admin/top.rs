//! The top, as JSON: `GET /v1/top`.

use axum::Json;
use axum::extract::State;

use crate::serve::state::ServeState;
use crate::serve::top::Document;

pub(super) async fn show(State(state): State<ServeState>) -> Json<Document> {
    Json(Document::clone(&state.top.load()))
}
