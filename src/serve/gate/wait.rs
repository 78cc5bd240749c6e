//! Waiting: an answer that is held back until the gate passes, or sent anew with every change.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::unfold;
use tokio::time::timeout;

use crate::serve::bad_request::BadRequest;
use crate::serve::gate::asked::Asked;
use crate::serve::verdict::Verdict;
use crate::serve::waiters::Waiter;
use crate::serve::wire;

/// The longest wait. A connection lives five minutes.
const LONGEST: Duration = Duration::from_mins(4);

/// Reads how long to wait: `60s`, `2m`, or a number of seconds.
pub(super) fn length(text: &str) -> Result<Duration, BadRequest> {
    let (number, seconds) = match text.strip_suffix('m') {
        Some(minutes) => (minutes, 60),
        None => (text.strip_suffix('s').unwrap_or(text), 1),
    };
    let length = number.parse::<u32>().ok();
    let length = length.map(|number| Duration::from_secs(u64::from(number) * seconds));
    length
        .filter(|length| *length <= LONGEST)
        .ok_or_else(|| BadRequest::Value {
            name: "wait",
            value: wire::quoted(text),
            remedy: "give seconds or minutes, such as 60s, and 4m at most; ask again for longer",
        })
}

/// The answer, as soon as it passes, or is a mistake, or the wait is over. When too many wait, it is as of now.
pub(super) async fn for_a_pass(asked: &Asked, wait: Option<Duration>) -> Verdict {
    let now = asked.look();
    let waiter = wait.filter(|_| !is_final(&now));
    let waiter = waiter.and_then(|wait| Some((wait, enter(asked)?)));
    if let Some((wait, mut waiter)) = waiter {
        let passes = async {
            loop {
                waiter.moment().await;
                if is_final(&asked.look()) {
                    break;
                }
            }
        };
        // Passed or not, what is answered is how it stands then.
        let _elapsed = timeout(wait, passes).await;
    }
    asked.verdict()
}

/// A place to wait at; that there is none is counted.
fn enter(asked: &Asked) -> Option<Waiter> {
    let state = asked.state();
    let waiter = state.waiters.enter();
    if waiter.is_none() {
        state.counters.waiters_full();
    }
    waiter
}

fn is_final(verdict: &Verdict) -> bool {
    verdict.passes() || verdict.mistake
}

/// The answer as server-sent events of the name `gate`: the first at once, then one for each change.
pub(super) fn events(asked: Arc<Asked>) -> Response {
    let Some(waiter) = enter(&asked) else {
        let message = "as many callers wait as may; ask without `accept: text/event-stream`, or again in a while";
        return (StatusCode::SERVICE_UNAVAILABLE, message).into_response();
    };
    let told: Option<Verdict> = None;
    let stream = unfold(
        (asked, waiter, told),
        |(asked, mut waiter, told)| async move {
            let verdict = match &told {
                None => asked.verdict(),
                Some(told) => loop {
                    waiter.moment().await;
                    let verdict = asked.look();
                    if differs(told, &verdict) {
                        break verdict;
                    }
                },
            };
            let document = asked.document(verdict.clone());
            let event = Event::default().event("gate").json_data(document);
            Some((event, (asked, waiter, Some(verdict))))
        },
    );
    Sse::new(stream)
        .keep_alive(KeepAlive::default())
        .into_response()
}

/// Whether it is another answer, and not the same with a newer value.
fn differs(one: &Verdict, other: &Verdict) -> bool {
    let key = |verdict: &Verdict| {
        let object = verdict.deciding.as_ref();
        let object = object.map(|deciding| deciding.object.clone());
        (verdict.name, verdict.state, verdict.mistake, object)
    };
    key(one) != key(other) || one.trips != other.trips || one.counts != other.counts
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("60s", Some(60))]
    #[case("60", Some(60))]
    #[case("2m", Some(120))]
    #[case("0", Some(0))]
    #[case("4m", Some(240))]
    #[case("241s", None)]
    #[case("1h", None)]
    #[case("-1", None)]
    #[case("", None)]
    fn a_wait_is_in_seconds_or_minutes(#[case] text: &str, #[case] expected: Option<u64>) {
        assert_eq!(length(text).ok(), expected.map(Duration::from_secs));
    }
}
