//! The audit log: every [`Line`] as one line of JSON, in a file or on standard output.
//!
//! A separate thread writes, so that a slow disk delays nothing else. At most [`MOST_LINES`] lines and
//! about [`MOST_BYTES`] bytes wait. Beyond that, lines are dropped and counted, and a later line with
//! `"action":"Lost"` says how many. Writing to a full disk is retried until it succeeds.

pub mod json;

mod destination;
mod sink;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout_at};

use crate::effects::audit::json::Writer;
use crate::effects::audit::sink::Sink;
use crate::runtime::clock::Clock;
use crate::runtime::metrics::{Bound, Metrics};
use crate::runtime::write_all_retrying::write_all_retrying;
use crate::wire::audit::{KeyDiff, Line};

pub use destination::{Audit, Destination};

/// The most lines that wait.
pub const MOST_LINES: usize = 65_536;

/// The most bytes of text that wait: half of what a hostile writer may cost (DESIGN, Targets).
pub const MOST_BYTES: usize = 16 << 20;

/// The most bytes of one write.
const BATCH: usize = 256 << 10;

/// The audit log.
#[derive(Debug)]
pub struct Log {
    sender: SyncSender<Box<Line>>,
    shared: Arc<Shared>,
    waiting: Gauge,
    metrics: Metrics,
    /// How many lines were queued.
    queued: AtomicU64,
    /// How many of them have been written.
    written: watch::Receiver<u64>,
    finished: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    bytes: AtomicUsize,
    lost: AtomicU64,
    stop: AtomicBool,
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
        let (writes, written) = watch::channel(0);
        let writer_thread = WriterThread {
            lines,
            writes,
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
                writer_thread.run();
                // The receiver may be gone.
                let _ = done.send(());
            })
            .map_err(Audit::Start)?;
        Ok(Self {
            sender,
            shared,
            waiting: metrics.bound_size(Bound::AuditLines),
            metrics,
            queued: AtomicU64::new(0),
            written,
            finished,
            thread,
        })
    }

    /// Waits until every line that was queued is in the file.
    pub async fn written(&self) {
        let queued = self.queued.load(Ordering::Relaxed);
        let mut written = self.written.clone();
        // The thread ends only with the log.
        let _ended = written.wait_for(|written| *written >= queued).await;
    }

    /// Queues a line without waiting; drops and counts it at the bound.
    pub fn push(&self, line: Box<Line>) {
        let size = size(&line);
        let waiting = self.shared.bytes.fetch_add(size, Ordering::Relaxed);
        let fits = waiting.saturating_add(size) <= MOST_BYTES;
        self.waiting.inc();
        if fits && self.sender.try_send(line).is_ok() {
            self.queued.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.waiting.dec();
        self.shared.bytes.fetch_sub(size, Ordering::Relaxed);
        self.shared.lost.fetch_add(1, Ordering::Relaxed);
        self.metrics.audit_lines_dropped.inc();
    }

    /// Writes what waits and closes the log; gives up at the deadline.
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
            tracing::error!(
                bytes,
                "audit lines were lost: they could not be written before shutdown"
            );
        } else if thread.join().is_err() {
            tracing::error!("the audit log's thread panicked");
        }
    }
}

/// The thread that writes.
struct WriterThread {
    lines: Receiver<Box<Line>>,
    writes: watch::Sender<u64>,
    sink: Sink,
    writer: Writer,
    shared: Arc<Shared>,
    waiting: Gauge,
    clock: Clock,
    metrics: Metrics,
}

impl WriterThread {
    fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while let Ok(line) = self.lines.recv() {
            let count = self.gather(&line, &mut batch);
            if !self.write(&batch) {
                return;
            }
            self.metrics.audit_lines.inc_by(count);
            self.writes.send_modify(|written| *written += count);
            batch.clear();
            self.report_lost(&mut batch);
        }
    }

    /// Adds a line and those that wait behind it to the batch; returns their number.
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

    /// Writes a line in place of those that were dropped.
    fn report_lost(&mut self, batch: &mut Vec<u8>) {
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

    /// Writes all bytes, however long that takes; false if told to stop first.
    fn write(&mut self, bytes: &[u8]) -> bool {
        let (log, sink) = (self.sink.to_string(), &mut self.sink);
        let errors = &self.metrics.audit_write_errors;
        write_all_retrying(
            bytes,
            &self.shared.stop,
            |bytes| sink.write(bytes),
            |error, attempt| {
                errors.inc();
                if attempt == 1 {
                    tracing::error!(%error, log, "cannot write the audit log; retrying until it succeeds");
                }
            },
        )
    }
}

/// About how many bytes a waiting line takes.
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
        &line.reason,
    ];
    let texts: usize = texts.iter().map(|text| text.len()).sum();
    size_of::<Line>() + diff + texts + line.trip_id.as_ref().map_or(0, |id| id.len())
}

#[cfg(test)]
mod tests;
