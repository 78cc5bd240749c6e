//! The events: says that something has changed, so that the page asks anew for what it shows.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::unfold;
use tokio::time::sleep;

use crate::breaker::time::Span;
use crate::serve::state::ServeState;

/// The least time between two events: a page that is drawn more often can't be read.
const PACE: Duration = Duration::from_millis(500);

/// What is not in the view, such as the answers of proxies, is looked at this often.
const ANYWAY: Span = Span::from_secs(5);

/// Server-sent events of the name `changed`: one at once, and one whenever there may be something new to see.
pub(super) async fn follow(State(state): State<ServeState>) -> Response {
    let Some(waiter) = state.waiters.enter() else {
        state.counters.waiters_full();
        let message = "as many callers wait as may; ask again in a while, and see GET /v1/bounds\n";
        return (StatusCode::SERVICE_UNAVAILABLE, message).into_response();
    };
    let stream = unfold(
        (state, waiter, None),
        |(state, mut waiter, told)| async move {
            if let Some((view, at)) = told {
                sleep(PACE).await;
                while Arc::ptr_eq(&view, &state.view.load_full())
                    && state.clock.now().mono.since(at) < ANYWAY
                {
                    waiter.moment().await;
                }
            }
            let told = (state.view.load_full(), state.clock.now().mono);
            let event = Event::default().event("changed").data("{}");
            let event: Result<Event, std::convert::Infallible> = Ok(event);
            Some((event, (state, waiter, Some(told))))
        },
    );
    Sse::new(stream)
        .keep_alive(KeepAlive::default())
        .into_response()
}
