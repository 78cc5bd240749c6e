//! Waiting for a condition, with a deadline.

use std::fmt::Debug;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(10);

/// Looks again and again until what it sees is `expected`.
pub(crate) async fn until<T: PartialEq + Debug>(
    what: &str,
    expected: T,
    look: impl AsyncFn() -> T,
) {
    let mut seen = look().await;
    let wait = async {
        while seen != expected {
            tokio::time::sleep(PAUSE).await;
            seen = look().await;
        }
    };
    let waited = tokio::time::timeout(DEADLINE, wait).await;
    assert!(
        waited.is_ok(),
        "{what}: expected {expected:?} within {DEADLINE:?}, last seen {seen:?}"
    );
}
