//! The timeline: what happened, one line each, with the seconds since the beginning.

use std::fmt::{Display, Write as _};
use std::io;

use tokio::time::Instant;

/// Wide enough for every name that speaks.
const SPEAKER: usize = 9;

/// The one place that prints while the story runs; clones share the beginning.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    start: Instant,
}

impl Timeline {
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// Seconds since the beginning.
    pub(crate) fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    /// Tells something; further lines of it stand under the first.
    pub(crate) fn tell(&self, speaker: &str, what: impl Display) {
        let what = what.to_string();
        let mut lines = what.lines();
        let first = lines.next().unwrap_or_default();
        let mut text = format!("{:6.1}s  {speaker:<SPEAKER$} {first}\n", self.seconds());
        for line in lines {
            // Writing to a string can't fail.
            let _ = writeln!(text, "{:7}  {:<SPEAKER$} {line}", "", "");
        }
        // A reader who has left, as `head` does, is no reason to stop in the middle.
        let _ = io::Write::write_all(&mut io::stdout().lock(), text.as_bytes());
    }
}

/// A heading between two parts of the story.
pub(crate) fn part(title: &str) {
    let _ = io::Write::write_fmt(&mut io::stdout().lock(), format_args!("\n{title}\n"));
}
