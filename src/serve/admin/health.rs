//! Health: alive while the engine comes round, ready once it knows what to answer.
//!
//! Neither asks the API server: an outage there must not restart the replicas that
//! go on serving their last snapshot.

use axum::extract::State;
use axum::http::StatusCode;

use crate::serve::state::ServeState;
use crate::serve::verdict::STALLED_AFTER;
use crate::serve::wire;

type Answer = (StatusCode, String);

/// Liveness: a stalled engine is beyond mending itself, and a restart loses nothing.
pub(super) async fn live(State(state): State<ServeState>) -> Answer {
    let silent = state.clock.now().mono.since(state.heartbeat.last());
    if silent < STALLED_AFTER {
        return (StatusCode::OK, "ok\n".into());
    }
    let message = format!(
        "the engine has not come round for {} s (limit {} s); its last log lines say where it stands\n",
        wire::seconds(silent),
        wire::seconds(STALLED_AFTER),
    );
    (StatusCode::SERVICE_UNAVAILABLE, message)
}

/// Readiness: contracts, policies and overrides have been listed once. Being the leader is no part of it.
pub(super) async fn ready(State(state): State<ServeState>) -> Answer {
    if state.view.load().synced {
        return (StatusCode::OK, "ok\n".into());
    }
    let message = "contracts, policies and overrides have not been listed yet; \
                   if this lasts, check that the source can be read (the API server, or the directory)\n";
    (StatusCode::SERVICE_UNAVAILABLE, message.into())
}
