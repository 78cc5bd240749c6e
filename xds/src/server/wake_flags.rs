//! The wake flags: which parts of a stream have woken it, so that only those are polled.
//!
//! A stream is polled for many reasons, and polling all of its parts each time would be most of the work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task;

use crate::store::Wake;

/// A part of a stream.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Part {
    /// What the client asks for.
    Requests = 1,
    /// The end of its connection.
    Retire = 2,
}

/// Which parts of a stream have woken it.
#[derive(Debug)]
pub(super) struct WakeFlags {
    flags: AtomicU8,
    stream: Arc<Wake>,
}

/// Wakes the stream for one part.
#[derive(Debug)]
struct PartWaker {
    flags: Arc<WakeFlags>,
    part: Part,
}

/// The parts that have woken the stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Woken(u8);

impl WakeFlags {
    /// The flags of `stream`, set for every part, because none was polled yet.
    pub(super) fn new(stream: Arc<Wake>) -> Arc<Self> {
        let flags = AtomicU8::new(Part::Requests as u8 | Part::Retire as u8);
        Arc::new(Self { flags, stream })
    }

    /// The waker to poll `part` with.
    pub(super) fn waker(self: &Arc<Self>, part: Part) -> task::Waker {
        let flags = Arc::clone(self);
        Arc::new(PartWaker { flags, part }).into()
    }

    pub(super) fn wake_for(&self, part: Part) {
        self.flags.fetch_or(part as u8, Ordering::AcqRel);
        self.stream.waker.wake();
    }

    /// The parts that have woken the stream since this was last called.
    pub(super) fn take_woken(&self) -> Woken {
        let none = self.flags.load(Ordering::Acquire) == 0;
        Woken(if none {
            0
        } else {
            self.flags.swap(0, Ordering::AcqRel)
        })
    }
}

impl Woken {
    pub(super) fn includes(self, part: Part) -> bool {
        self.0 & part as u8 != 0
    }
}

impl task::Wake for PartWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.flags.wake_for(self.part);
    }
}
