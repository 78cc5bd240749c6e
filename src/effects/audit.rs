//! The audit log: every [`Line`] as one line of JSON, in a file or on standard output.
//!
//! A thread of its own writes, so that a slow disk slows nobody. At most [`MOST_LINES`] lines and
//! about [`MOST_BYTES`] bytes wait; beyond that lines are dropped and counted, and as soon as there
//! is room a line with `"action":"Lost"` says how many. A full disk is tried again until there is room.

pub mod json;
mod sink;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::effects::audit::json::Writer;
use crate::effects::audit::sink::Sink;
use crate::runtime::clock::Clock;
use crate::runtime::insist::insist;
use crate::runtime::metrics::{Bound, Metrics};
use crate::wire::effect::{KeyDiff, Line};

/// The most lines that wait.
pub const MOST_LINES: usize = 65_536;

/// The most bytes of text that wait: half of what a hostile writer may cost (DESIGN, Targets).
pub const MOST_BYTES: usize = 16 << 20;

/// The bytes that are gathered for one write.
const BATCH: usize = 256 << 10;

/// Where the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Standard output.
    Stdout,
    /// A file, appended to; one that was moved away is made anew.
    File(PathBuf),
}

/// Why the log can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum Audit {
    /// The file system refused.
    #[error("opening the audit log {}; name a file in an existing folder that can be written, or - for standard output", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// No thread could be started.
    #[error("starting the audit log's thread")]
    Start(#[source] io::Error),
}

/// The way into the log.
#[derive(Debug)]
pub struct Log {
    sender: SyncSender<Box<Line>>,
    shared: Arc<Shared>,
    waiting: Gauge,
    metrics: Metrics,
    finished: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    bytes: AtomicUsize,
    lost: AtomicU64,
    stop: AtomicBool,
}

impl Destination {
    /// A path as people give it; `-` is standard output.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        if path.as_os_str() == "-" {
            Self::Stdout
        } else {
            Self::File(path)
        }
    }
}

impl Log {
    /// Opens the log and starts its thread.
    ///
    /// # Errors
    ///
    /// When the file can't be opened or the thread can't be started.
    pub fn open(destination: Destination, clock: Clock, metrics: Metrics) -> Result<Self, Audit> {
        let sink = Sink::open(destination)?;
        let (sender, lines) = sync_channel(MOST_LINES);
        let (done, finished) = oneshot::channel();
        let shared = Arc::new(Shared::default());
        let scribe = Scribe {
            lines,
            sink,
            writer: Writer::default(),
            shared: Arc::clone(&shared),
            waiting: metrics.bound_size(Bound::AuditLines),
            clock,
            metrics: metrics.clone(),
        };
        let thread = thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || {
                scribe.run();
                // Nobody need be waiting.
                let _ = done.send(());
            })
            .map_err(Audit::Start)?;
        Ok(Self {
            sender,
            shared,
            waiting: metrics.bound_size(Bound::AuditLines),
            metrics,
            finished,
            thread,
        })
    }

    /// Hands a line over without waiting; at the bound it is dropped and counted.
    pub fn push(&self, line: Box<Line>) {
        let size = size(&line);
        let waiting = self.shared.bytes.fetch_add(size, Ordering::Relaxed);
        let fits = waiting.saturating_add(size) <= MOST_BYTES;
        self.waiting.inc();
        if !fits || self.sender.try_send(line).is_err() {
            self.waiting.dec();
            self.shared.bytes.fetch_sub(size, Ordering::Relaxed);
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            self.metrics.audit_lines_dropped.inc();
        }
    }

    /// Writes what waits, and closes the log; what can't be written by the deadline is given up.
    pub async fn drain(self, deadline: Instant) {
        let Self {
            sender,
            shared,
            finished,
            thread,
            ..
        } = self;
        drop(sender);
        let written = timeout_at(deadline, finished).await;
        shared.stop.store(true, Ordering::Relaxed);
        thread.thread().unpark();
        if written.is_err() {
            let bytes = shared.bytes.load(Ordering::Relaxed);
            tracing::error!(bytes, "the audit log could not be written before the end");
        } else if thread.join().is_err() {
            tracing::error!("the audit log's thread panicked");
        }
    }
}

/// The thread's side.
struct Scribe {
    lines: Receiver<Box<Line>>,
    sink: Sink,
    writer: Writer,
    shared: Arc<Shared>,
    waiting: Gauge,
    clock: Clock,
    metrics: Metrics,
}

impl Scribe {
    fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while let Ok(line) = self.lines.recv() {
            let count = self.gather(&line, &mut batch);
            if !self.write(&batch) {
                return;
            }
            self.metrics.audit_lines.inc_by(count);
            batch.clear();
            self.confess(&mut batch);
        }
    }

    /// Adds a line and what waits behind it to the batch, and says how many that were.
    fn gather(&mut self, first: &Line, batch: &mut Vec<u8>) -> u64 {
        self.add(first, batch);
        let mut count = 1;
        while batch.len() < BATCH {
            let Ok(line) = self.lines.try_recv() else {
                break;
            };
            self.add(&line, batch);
            count += 1;
        }
        count
    }

    fn add(&mut self, line: &Line, batch: &mut Vec<u8>) {
        self.shared.bytes.fetch_sub(size(line), Ordering::Relaxed);
        self.waiting.dec();
        self.writer.line(line, batch);
    }

    /// Leaves a line in the batch for what was dropped; it stands where the dropped lines would have.
    fn confess(&mut self, batch: &mut Vec<u8>) {
        let lost = self.shared.lost.swap(0, Ordering::Relaxed);
        if lost == 0 {
            return;
        }
        self.writer.lost(self.clock.now().wall.0, lost, batch);
        if self.write(batch) {
            self.metrics.audit_lines.inc();
        }
        batch.clear();
    }

    /// Writes all of it, however long that takes; false when told to stop instead.
    fn write(&mut self, bytes: &[u8]) -> bool {
        let (log, sink) = (self.sink.to_string(), &mut self.sink);
        let errors = &self.metrics.audit_write_errors;
        insist(
            bytes,
            &self.shared.stop,
            |bytes| sink.write(bytes),
            |error, attempt| {
                errors.inc();
                if attempt == 1 {
                    tracing::error!(%error, log, "writing the audit log; trying again until it works");
                }
            },
        )
    }
}

/// About what a line costs while it waits.
fn size(line: &Line) -> usize {
    let diff: usize = line
        .diff_keys
        .iter()
        .map(|diff| diff.key.len() + size_of::<KeyDiff>())
        .sum();
    let texts = [
        &*line.resource,
        &line.uid,
        &line.resource_version,
        &line.operation,
        &line.reason,
    ];
    let texts: usize = texts.iter().map(|text| text.len()).sum();
    size_of::<Line>() + diff + texts + line.trip_id.as_ref().map_or(0, |id| id.len())
}

#[cfg(test)]
mod tests;
