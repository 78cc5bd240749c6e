//! Waiting for a condition, with a deadline, and seeing that one holds for a while.

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::Instant;

const DEADLINE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(10);

/// Looks again and again until what it sees is `expected`.
pub(crate) async fn until<T: PartialEq + Debug>(
    what: &str,
    expected: T,
    look: impl AsyncFn() -> T,
) {
    let mut seen = None;
    let wait = async {
        loop {
            let look = look().await;
            if look == expected {
                return;
            }
            seen = Some(look);
            tokio::time::sleep(PAUSE).await;
        }
    };
    let waited = tokio::time::timeout(DEADLINE, wait).await;
    assert!(
        waited.is_ok(),
        "{what}: expected {expected:?} within {DEADLINE:?}, last seen {seen:?}"
    );
}

/// Looks again and again for as long as `span`, and sees `expected` each time.
pub(crate) async fn throughout<T: PartialEq + Debug>(
    what: &str,
    span: Duration,
    expected: T,
    look: impl AsyncFn() -> T,
) {
    let end = Instant::now() + span;
    while Instant::now() < end {
        let seen = look().await;
        assert!(
            seen == expected,
            "{what}: expected {expected:?} throughout, saw {seen:?}"
        );
        tokio::time::sleep(PAUSE).await;
    }
}
