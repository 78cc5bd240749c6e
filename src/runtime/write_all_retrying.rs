//! Writes all bytes, retrying as long as it takes, on a thread that may block.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::runtime::backoff::Backoff;

/// Between attempts to write: short at first, because space is often freed quickly.
const RETRY: Backoff = Backoff {
    base: Duration::from_millis(100),
    max: Duration::from_secs(5),
};

/// Writes all bytes, and retries failed writes; false if told to stop first. `failed` receives every
/// error and how many there were in a row. Unpark the thread to make it notice `stop` at once.
pub fn write_all_retrying(
    mut bytes: &[u8],
    stop: &AtomicBool,
    mut write: impl FnMut(&[u8]) -> io::Result<usize>,
    mut failed: impl FnMut(&io::Error, u32),
) -> bool {
    let mut attempt = 0;
    while !bytes.is_empty() {
        let written = match write(bytes) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            written => written,
        };
        match written {
            Ok(written) => {
                bytes = bytes.get(written..).unwrap_or_default();
                attempt = 0;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) if stop.load(Ordering::Relaxed) => return false,
            Err(error) => {
                attempt += 1;
                failed(&error, attempt);
                thread::park_timeout(RETRY.wait(attempt, 0));
            }
        }
    }
    true
}
