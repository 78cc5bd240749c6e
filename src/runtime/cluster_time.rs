//! The cluster's time: what the API server's clock says, which is asked for with every look.
//!
//! Replicas write times down for each other, and tell them to Alertmanager. A machine whose clock was set wrongly would
//! page with alerts that are over before they begin, and end overrides an hour early. So where the two clocks differ by
//! more than clocks that are kept do, the API server's is the right one for all replicas.
//! Source: RFC 9110, `Date`, which has seconds and no more.

use std::time::Duration;

use http::header::DATE;
use http::{HeaderMap, Request};
use jiff::fmt::rfc2822;
use kube::Client;
use kube::client::Body;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::breaker::time::{Now, Span};
use crate::runtime::clock::Clock;

/// Clocks that are kept agree within seconds, and nothing here depends on less than this.
const TOLERATED_MS: i64 = 30_000;

/// A correction is changed once it is off by more than an answer says exactly.
const EXACT_MS: i64 = 3_000;

/// What took longer says nothing: the process may have been stopped before it read the answer.
const WITHIN: Span = Span::from_secs(2);

const EVERY: Duration = Duration::from_secs(10);

/// What is asked, which whoever has an account may.
const PATH: &str = "/version";

/// Asks once, so that nothing is judged before the time is known, if the API server answers soon.
pub async fn look(client: &Client, clock: Clock) {
    let before = clock.now();
    let request = Request::get(PATH).body(Body::empty());
    let Ok(request) = request else { return };
    let limit = Duration::from_millis(WITHIN.0);
    if let Ok(Ok(answer)) = timeout(limit, client.send(request)).await {
        let now = clock.now();
        if let Some(ahead) = difference(answer.headers(), before, now) {
            correct(clock, ahead);
        }
    }
}

/// Asks again and again until shutdown.
pub async fn keep(client: Client, clock: Clock, shutdown: CancellationToken) {
    let forever = async {
        loop {
            sleep(EVERY).await;
            look(&client, clock).await;
        }
    };
    shutdown.run_until_cancelled(forever).await;
}

/// How far the API server's clock was ahead of this one, if its answer tells.
fn difference(headers: &HeaderMap, before: Now, after: Now) -> Option<i64> {
    if after.mono.since(before.mono) > WITHIN {
        return None;
    }
    let date = headers.get(DATE)?.to_str().ok()?;
    let date = rfc2822::parse(date).ok()?.timestamp().as_millisecond();
    // It was cut off to the second.
    Some(date + 500 - after.wall.0)
}

/// Corrects the clock if it needs to be, or needs it no more.
fn correct(clock: Clock, ahead: i64) {
    let before = clock.correction();
    let off = before.saturating_add(ahead);
    let after = if off.saturating_abs() < TOLERATED_MS {
        0
    } else if ahead.saturating_abs() < EXACT_MS {
        before
    } else {
        off
    };
    if after == before {
        return;
    }
    clock.set_correction(after);
    if after == 0 {
        tracing::info!("the clock of this machine agrees with the API server's again");
    } else {
        let seconds = after / 1_000;
        tracing::warn!(
            seconds,
            "the API server's clock is so far ahead of this machine's, and its time is used; set this machine's clock"
        );
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::breaker::time::{Mono, Wall};

    fn answered(date: &str, took: u64) -> Option<i64> {
        let headers = HeaderMap::from_iter([(DATE, HeaderValue::from_str(date).unwrap())]);
        let at = |mono| Now {
            mono: Mono(mono),
            wall: Wall(1_700_000_000_000),
        };
        difference(&headers, at(0), at(took))
    }

    #[test]
    fn an_answer_tells_how_far_the_clocks_are_apart() {
        assert_eq!(answered("Tue, 14 Nov 2023 22:13:20 GMT", 5), Some(500));
        assert_eq!(
            answered("Tue, 14 Nov 2023 23:13:20 GMT", 5),
            Some(3_600_500)
        );
        assert_eq!(answered("tomorrow", 5), None);
    }

    #[test]
    fn an_answer_that_came_late_tells_nothing() {
        assert_eq!(answered("Tue, 14 Nov 2023 22:13:20 GMT", 2_001), None);
    }

    #[test]
    fn a_clock_that_is_off_is_corrected_until_it_is_set() {
        let clock = Clock::start();
        let ahead = |ahead| {
            correct(clock, ahead);
            clock.correction()
        };
        assert_eq!(ahead(29_000), 0);
        assert_eq!(ahead(3_600_000), 3_600_000);
        assert_eq!(ahead(2_000), 3_600_000);
        assert_eq!(ahead(-10_000), 3_590_000);
        assert_eq!(ahead(-3_590_000), 0);
    }
}
