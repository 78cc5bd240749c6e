//! A JSON size: how many bytes the JSON of something has, counted without keeping them.

use std::io::{self, Write};

use serde::Serialize;

/// The bytes of something's JSON; of what can't be written, those that could.
pub(crate) fn of(value: &impl Serialize) -> usize {
    let mut count = Count(0);
    // Counting can't fail.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

struct Count(usize);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
