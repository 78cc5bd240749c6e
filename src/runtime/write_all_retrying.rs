//! Insisting: writing all of something, however long that takes, on a thread that may wait.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::runtime::backoff::Backoff;

/// Between attempts to write: short at first, since space is often freed within moments.
const RETRY: Backoff = Backoff {
    base: Duration::from_millis(100),
    max: Duration::from_secs(5),
};

/// Writes all bytes, again and again where that fails; false when told to stop instead. `failed` is told every
/// error and how many there have been in a row. To be told at once, the thread must be unparked.
pub fn insist(
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
