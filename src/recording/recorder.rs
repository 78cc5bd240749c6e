//! The recorder: records each turn of the engine without blocking it.
//!
//! A separate thread writes. At most [`MOST_TURNS`] turns and about [`MOST_BYTES`] bytes wait. Beyond that, turns
//! are dropped and counted, and a later line says how many. Writing to a full disk is retried until it succeeds.
//! At its limit the recording ends with a line that says so.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use fusegate_xds::Version;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::breaker::time::Now;
use crate::engine::output::Publication;
use crate::recording::line::{End, Gap, Header, Line, MOST_BYTES, Why};
use crate::recording::rotate;
use crate::recording::tally::Tally;
use crate::runtime::metrics::{Bound, Metrics};
use crate::runtime::write_all_retrying::write_all_retrying;
use crate::wire::effect::Effect;
use crate::wire::event::Event;

/// The most turns that wait.
pub const MOST_TURNS: usize = 65_536;

/// The most bytes of one write.
const BATCH: usize = 256 << 10;

/// The capacity that a turn's buffer keeps for the next one.
const USUAL: usize = 4 << 10;

/// Where a recording goes.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file. What is there from a run before is kept beside it ([`rotate`]).
    pub path: PathBuf,
    /// The most bytes.
    pub limit: u64,
    /// The first line.
    pub header: Header,
}

/// Why nothing can be recorded.
#[derive(Debug, thiserror::Error)]
pub enum Recording {
    /// The file system refused.
    #[error("opening the recording {}; name a file in an existing folder that can be written with --record", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// No thread could be started.
    #[error("starting the recording's thread")]
    Start(#[source] io::Error),
}

/// Records the turns of the engine.
pub struct Recorder {
    tally: Tally,
    turn: Vec<u8>,
    number: u64,
    events: u64,
    /// The current turn is too large, or can't be serialized.
    unfit: bool,
    /// Turns dropped since the last one that was queued.
    lost: u64,
    left: u64,
    /// `None` once it has ended.
    sender: Option<SyncSender<Vec<u8>>>,
    shared: Arc<Shared>,
    metrics: Metrics,
    finished: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    bytes: AtomicUsize,
    stop: AtomicBool,
}

impl Recorder {
    /// Creates the file, starts the thread and queues the header.
    ///
    /// # Errors
    ///
    /// When the file can't be created or the thread can't be started. A full disk is no error: fusegate must
    /// start all the same.
    pub fn start(config: Config, metrics: Metrics) -> Result<Self, Recording> {
        let Config {
            path,
            limit,
            header,
        } = config;
        let header = encoded(&Line::Recording(header));
        let file = match open(&path) {
            Ok(file) => file,
            Err(source) => return Err(Recording::Open { path, source }),
        };
        let (sender, turns) = sync_channel(MOST_TURNS);
        let (done, finished) = oneshot::channel();
        let shared = Arc::new(Shared::default());
        let writer_thread = WriterThread {
            turns,
            file,
            path,
            shared: Arc::clone(&shared),
            metrics: metrics.clone(),
        };
        let thread = thread::Builder::new()
            .name("recording".to_owned())
            .spawn(move || {
                writer_thread.run();
                // The receiver may be gone.
                let _ = done.send(());
            })
            .map_err(Recording::Start)?;
        metrics.recording.whole.set(1);
        let left = limit.saturating_sub(header.len() as u64);
        let recorder = Self {
            tally: Tally::default(),
            turn: Vec::with_capacity(USUAL),
            number: 0,
            events: 0,
            unfit: false,
            lost: 0,
            left,
            sender: Some(sender),
            shared,
            metrics,
            finished,
            thread,
        };
        recorder.push(header);
        Ok(recorder)
    }

    /// Begins a turn.
    pub fn begin(&mut self, now: Now) {
        self.number += 1;
        self.events = 0;
        self.unfit = false;
        self.tally.begin();
        self.turn.clear();
        self.turn.shrink_to(USUAL);
        let (number, mono, wall) = (self.number, now.mono.0, now.wall.0);
        self.write(format_args!(
            "{{\"turn\":{{\"number\":{number},\"mono\":{mono},\"wall\":{wall}"
        ));
    }

    /// Records an event, before the engine handles it.
    pub fn event(&mut self, event: &Event) {
        if self.sender.is_none() || self.unfit {
            return;
        }
        // What would not fit is not even written out, and a buffer is not larger than what it holds.
        let (waiting, weight) = (self.shared.bytes.load(Ordering::Relaxed), event.weight());
        if waiting + self.turn.len() + weight > MOST_BYTES {
            self.unfit = true;
            return;
        }
        if weight > USUAL {
            self.turn.reserve_exact(weight + USUAL);
        }
        let begin: &[u8] = if self.events == 0 {
            b",\"events\":["
        } else {
            b","
        };
        self.turn.extend_from_slice(begin);
        self.events += 1;
        let written = serde_json::to_writer(&mut self.turn, event);
        self.unfit = written.is_err() || self.turn.len() > MOST_BYTES;
    }

    /// Records what the turn publishes.
    pub fn publication(&mut self, publication: &Publication) {
        self.tally.publication(publication);
    }

    /// Records the version of the snapshot after it.
    pub fn published(&mut self, version: Version) {
        self.tally.published(version);
    }

    /// Records the effects of the turn.
    pub fn effects(&mut self, effects: &[Effect]) {
        if self.sender.is_some() {
            self.tally.effects(effects);
        }
    }

    /// Ends the turn, and queues it without waiting.
    pub fn end(&mut self) {
        if self.sender.is_none() {
            return;
        }
        if self.events > 0 {
            self.turn.push(b']');
        }
        if let Some(digest) = self.tally.audit() {
            self.write(format_args!(",\"audit\":\"{digest}\""));
        }
        if let Some(digest) = self.tally.snapshot() {
            self.write(format_args!(",\"snapshot\":\"{digest}\""));
        }
        self.turn.extend_from_slice(b"}}\n");
        self.hand_over();
    }

    /// Writes what waits and the closing line, and closes the file; gives up at the deadline.
    pub async fn drain(mut self, deadline: Instant) {
        self.close(Why::Stopped);
        let written = timeout_at(deadline, self.finished).await;
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        if written.is_err() {
            tracing::error!("the end of the recording could not be written before shutdown");
        } else if self.thread.join().is_err() {
            tracing::error!("the recording's thread panicked");
        }
    }

    fn hand_over(&mut self) {
        let gap = self.gap();
        let size = (gap.len() + self.turn.len()) as u64;
        if self.unfit {
            self.lose();
        } else if size > self.left {
            self.metrics.bound_met(Bound::Recording);
            self.metrics.recording.whole.set(0);
            tracing::warn!(
                "the recording has reached its limit and ends here; restart fusegate to begin a new one"
            );
            self.close(Why::Limit);
        } else {
            let mut turn = std::mem::replace(&mut self.turn, Vec::with_capacity(USUAL));
            if !gap.is_empty() {
                turn.splice(..0, gap);
            }
            // The bound counts its length, so its capacity must not be larger.
            turn.shrink_to_fit();
            if self.push(turn) {
                self.left -= size;
                let recorded = i64::try_from(size).unwrap_or(i64::MAX);
                self.metrics.bound_size(Bound::Recording).inc_by(recorded);
                self.lost = 0;
                self.metrics.recording.turns.inc();
            } else {
                self.lose();
            }
        }
    }

    /// The line that reports dropped turns, if there are any.
    fn gap(&self) -> Vec<u8> {
        match self.lost {
            0 => Vec::new(),
            turns => encoded(&Line::Gap(Gap { turns })),
        }
    }

    fn lose(&mut self) {
        if self.lost == 0 {
            tracing::warn!(
                turn = self.number,
                "cannot write the recording fast enough; it can't be replayed beyond this turn"
            );
        }
        self.lost += 1;
        self.metrics.recording.dropped.inc();
        self.metrics.recording.whole.set(0);
    }

    /// Queues bytes; drops them and returns false at the bound.
    fn push(&self, bytes: Vec<u8>) -> bool {
        let size = bytes.len();
        let waiting = self.shared.bytes.fetch_add(size, Ordering::Relaxed);
        let fits = waiting.saturating_add(size) <= MOST_BYTES;
        let sent = fits
            && self
                .sender
                .as_ref()
                .is_some_and(|sender| sender.try_send(bytes).is_ok());
        if !sent {
            self.shared.bytes.fetch_sub(size, Ordering::Relaxed);
        }
        sent
    }

    /// Queues the closing line, even beyond the limit, and lets the thread end.
    fn close(&mut self, why: Why) {
        let mut closing = self.gap();
        closing.extend(encoded(&Line::End(End { why })));
        // At the bound the recording ends without a closing line, which the reader reports.
        self.push(closing);
        self.sender = None;
    }

    /// Formats into the turn; this can't fail.
    fn write(&mut self, text: std::fmt::Arguments<'_>) {
        let _ = self.turn.write_fmt(text);
    }
}

/// The thread that writes.
struct WriterThread {
    turns: Receiver<Vec<u8>>,
    file: File,
    path: PathBuf,
    shared: Arc<Shared>,
    metrics: Metrics,
}

impl WriterThread {
    fn run(mut self) {
        let mut next = None;
        while let Some(mut turn) = next.take().or_else(|| self.turns.recv().ok()) {
            // A large turn is written by itself: together with others it would be in memory twice.
            while let Ok(other) = self.turns.try_recv() {
                if turn.len() + other.len() > BATCH {
                    next = Some(other);
                    break;
                }
                turn.extend_from_slice(&other);
            }
            let (file, path) = (&mut self.file, &self.path);
            let errors = &self.metrics.recording.write_errors;
            let written = write_all_retrying(
                &turn,
                &self.shared.stop,
                |bytes| file.write(bytes),
                |error, attempt| {
                    errors.inc();
                    if attempt == 1 {
                        tracing::error!(%error, recording = %path.display(), "cannot write the recording; retrying until it succeeds");
                    }
                },
            );
            if !written {
                return;
            }
            self.shared.bytes.fetch_sub(turn.len(), Ordering::Relaxed);
        }
    }
}

/// Creates the file, readable by its owner only; rotates the recording of the previous run.
fn open(path: &Path) -> io::Result<File> {
    rotate::rotate(path)?;
    File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

/// A serialized line with its line break; none of ours can fail to serialize.
fn encoded(line: &Line) -> Vec<u8> {
    let mut text = serde_json::to_vec(line).unwrap_or_default();
    text.push(b'\n');
    text
}

#[cfg(test)]
mod tests;
