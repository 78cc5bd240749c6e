//! Health: alive while the engine comes round, ready once it knows what to answer.
//!
//! Neither asks the API server: an outage there must not restart the replicas that
//! go on serving their last snapshot.

use std::fmt::Write as _;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;

use crate::serve::state::ServeState;
use crate::serve::verdict::STALLED_AFTER;
use crate::serve::wire;

type Answer = (StatusCode, String);

/// Most skipped files that are listed.
const MOST_SKIPPED: usize = 100;

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
/// `?verbose` also says which shard this is, and lists the files of which something is not read.
pub(super) async fn ready(State(state): State<ServeState>, RawQuery(query): RawQuery) -> Answer {
    let (status, mut text) = if state.view.load().synced {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        let message = "contracts, policies and overrides have not been listed yet; \
                       if this lasts, check that the source can be read (the API server, or the directory)\n";
        (StatusCode::SERVICE_UNAVAILABLE, message.to_owned())
    };
    if query.is_some_and(|query| {
        query
            .split('&')
            .any(|it| matches!(it, "verbose" | "verbose="))
    }) {
        let shard = state.installation.share.shard();
        if !shard.is_whole() {
            let _ = writeln!(text, "shard: {shard}");
        }
        let skipped = (state.skipped)();
        let more = skipped.len().saturating_sub(MOST_SKIPPED);
        for file in skipped.iter().take(MOST_SKIPPED) {
            text.push_str("skipped: ");
            text.extend(file.chars().flat_map(plain));
            text.push('\n');
        }
        if more > 0 {
            let _ = writeln!(text, "skipped: {more} more");
        }
    }
    (status, text)
}

/// A character without effect on a terminal: file names and messages come from outside.
fn plain(char: char) -> impl Iterator<Item = char> {
    let escaped = char.is_control().then(|| char.escape_default());
    let itself = (!char.is_control()).then_some(char);
    escaped.into_iter().flatten().chain(itself)
}
