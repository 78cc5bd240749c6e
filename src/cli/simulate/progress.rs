//! The progress: a bar on standard error while it lasts, for people at a terminal.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

/// The cells of the bar.
const CELLS: u64 = 30;

/// How far it has come.
#[derive(Debug)]
pub(super) struct Progress {
    total: u64,
    done: AtomicU64,
    bar: bool,
}

impl Progress {
    /// Of so many steps.
    pub(super) const fn new(total: u64, bar: bool) -> Self {
        Self {
            total,
            done: AtomicU64::new(0),
            bar,
        }
    }

    /// So many more are done. The bar is worth no failure.
    pub(super) fn add(&self, steps: u64) {
        let before = self.done.fetch_add(steps, Ordering::Relaxed);
        let percent = |done: u64| (done * 100).checked_div(self.total).unwrap_or(100).min(100);
        let (past, now) = (percent(before), percent(before + steps));
        if self.bar && now != past {
            let full = now * CELLS / 100;
            let cells = |cell: char, count: u64| -> String {
                std::iter::repeat_n(cell, usize::try_from(count).unwrap_or(0)).collect()
            };
            let (full, empty) = (cells('#', full), cells('.', CELLS - full));
            let _ = write!(io::stderr(), "\r  simulated [{full}{empty}] {now} %");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.bar {
            let _ = write!(io::stderr(), "\r\u{1b}[2K");
        }
    }
}
