//! Waiting: a condition polled until it holds or its time is up, in place of every fixed sleep.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use tokio::time::{Instant, sleep, timeout_at};

/// Short beside everything that is waited for here, and long beside what a probe costs.
const POLL_EVERY: Duration = Duration::from_millis(15);

/// How often it is looked whether something still holds that should hold for long.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Polls `probe` until it returns a value, for at most `within`.
///
/// A probe that does not see what it wants says what it sees in its error, for instance with `anyhow::ensure!`.
/// When the time is up, the failure names `what` was waited for and what the last probe saw.
/// A probe that hangs is cut off at the deadline.
pub(crate) async fn eventually<T>(
    what: &str,
    within: Duration,
    mut probe: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + within;
    let mut seen = None;
    loop {
        match timeout_at(deadline, probe()).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => seen = Some(format!("{error:#}")),
            Err(_) => break,
        }
        if Instant::now() + POLL_EVERY > deadline {
            break;
        }
        sleep(POLL_EVERY).await;
    }
    let seen = seen.unwrap_or_else(|| "nothing: the first probe did not return".to_owned());
    Err(anyhow!(
        "waited {within:?} for {what}, which did not come; last seen: {seen}"
    ))
}

/// The pace of whoever looks again and again for as long as a test lasts; nothing may be assumed to have happened after it.
pub(crate) async fn pace(every: Duration) {
    sleep(every).await;
}

/// Polls `probe` for as long as this, and fails as soon as it does.
pub(crate) async fn throughout(
    what: &str,
    lasting: Duration,
    mut probe: impl AsyncFnMut() -> Result<()>,
) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < lasting {
        let seen = probe().await;
        seen.with_context(|| format!("{what}, after {:?} of {lasting:?}", began.elapsed()))?;
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}
