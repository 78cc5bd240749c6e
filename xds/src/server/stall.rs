//! The stall: a stream whose client takes nothing, and how it is ended.
//!
//! A frame waits in the transport until the client has a window for it, and the transport asks the stream for nothing meanwhile:
//! so the stream can't end itself. What the transport does for a stream is therefore watched from outside, and given up,
//! which resets the stream and frees its place. Probes don't find such a client: they pass whatever its windows are.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Poll, ready};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::time::{Sleep, sleep};

tokio::task_local! {
    /// That of the stream which the transport polls.
    static POLLED: Arc<Stall>;
}

/// Whether a frame of a stream waits for its client.
#[derive(Debug, Default)]
pub(super) struct Stall {
    /// How many frames the transport was given.
    given: AtomicU64,
    /// It has asked for nothing since it was given the last one.
    waits: AtomicBool,
    /// The stream was given up.
    ended: AtomicBool,
}

impl Stall {
    /// That of the stream which is being opened; where nobody watches, one of its own.
    pub(super) fn of_stream() -> Arc<Self> {
        POLLED.try_with(Arc::clone).unwrap_or_default()
    }

    /// The transport asks for a frame, so it has handed on the one before.
    pub(super) fn note_asked(&self) {
        self.waits.store(false, Ordering::Relaxed);
    }

    /// The transport is given a frame.
    pub(super) fn note_given(&self) {
        self.given.fetch_add(1, Ordering::Relaxed);
        self.waits.store(true, Ordering::Relaxed);
    }

    /// Whether the stream was given up.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// The frame that waits, if one does.
    fn waiting(&self) -> Option<u64> {
        let waits = self.waits.load(Ordering::Relaxed);
        waits.then(|| self.given.load(Ordering::Relaxed))
    }
}

/// Runs what the transport does for the streams of a connection, each in a task.
#[derive(Clone, Copy, Debug)]
pub(super) struct WatchedStreams {
    /// How long a frame may wait.
    pub(super) patience: Duration,
}

impl<F> Executor<F> for WatchedStreams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        tokio::spawn(watched(future, self.patience));
    }
}

/// Runs what the transport does for one stream, until it is done or a frame has waited for too long.
async fn watched(future: impl Future<Output = ()>, patience: Duration) {
    let stall = Arc::new(Stall::default());
    let mut future = pin!(POLLED.scope(Arc::clone(&stall), future));
    let mut alarm: Option<(u64, Pin<Box<Sleep>>)> = None;
    poll_fn(|context| {
        if future.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let Some(frame) = stall.waiting() else {
            alarm = None;
            return Poll::Pending;
        };
        let same = alarm.take().filter(|(of, _)| *of == frame);
        let (_, alarm) = alarm.insert(same.unwrap_or_else(|| (frame, Box::pin(sleep(patience)))));
        ready!(alarm.as_mut().poll(context));
        stall.ended.store(true, Ordering::Relaxed);
        Poll::Ready(())
    })
    .await;
}
