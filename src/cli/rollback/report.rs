//! A report: a line for each check as it ends, and a bar while objects are judged.

use std::io::{self, Write};

use anstyle::AnsiColor;

use crate::cli::style::Colours;
use crate::effects::rollback::check::{Check, Step, Watch};
use crate::effects::rollback::stop::Stop;

/// The cells of the bar.
const CELLS: u64 = 30;

/// Writes what there is to see.
pub(super) struct Report<'a, W> {
    pub(super) colours: Colours,
    /// Whether standard error is a terminal.
    pub(super) bar: bool,
    /// Whether the checks after a failed one are made too.
    pub(super) wants_all: bool,
    pub(super) out: &'a mut W,
    /// Checks that have been told.
    pub(super) lines: usize,
    pub(super) written: io::Result<()>,
}

impl<W: Write + Send> Watch for Report<'_, W> {
    async fn see(&mut self, step: Step<'_>) {
        let line = match step {
            Step::Judged { judged, total } => return self.draw(judged, total),
            Step::Passed(check, found) => self.line(check, "passed", AnsiColor::Green, found),
            Step::Failed(check, why) => {
                let (Stop::Transient(message) | Stop::Blocked { message, .. }) = why;
                self.line(check, "failed", AnsiColor::Red, message)
            }
        };
        self.erase();
        self.lines += 1;
        if self.written.is_ok() {
            self.written = writeln!(self.out, "{line}");
        }
    }

    fn wants_all(&self) -> bool {
        self.wants_all
    }
}

impl<W> Report<'_, W> {
    fn line(&self, check: Check, word: &str, colour: AnsiColor, text: &str) -> String {
        let word = self.colours.paint(colour, word);
        format!("  {:17}{word}  {text}", check.name())
    }

    /// Draws the bar over itself. It is worth no failure.
    fn draw(&self, judged: u64, total: u64) {
        if self.bar {
            let full = (judged * CELLS)
                .checked_div(total)
                .unwrap_or(CELLS)
                .min(CELLS);
            let (full, empty) = (cells('#', full), cells('.', CELLS - full));
            let _ = write!(
                io::stderr(),
                "\r  objects [{full}{empty}] {judged} of about {total}"
            );
        }
    }

    fn erase(&self) {
        if self.bar {
            let _ = write!(io::stderr(), "\r\u{1b}[2K");
        }
    }
}

fn cells(cell: char, count: u64) -> String {
    std::iter::repeat_n(cell, usize::try_from(count).unwrap_or(0)).collect()
}
