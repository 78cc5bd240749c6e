//! The bell: which parts of a stream have woken it, so that the others need not be asked.
//!
//! A stream is polled for many reasons, and to ask all of its parts each time would be most of the work.

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
pub(super) struct Bell {
    rung: AtomicU8,
    stream: Arc<Wake>,
}

/// Rings the bell for one part.
#[derive(Debug)]
struct Rope {
    bell: Arc<Bell>,
    part: Part,
}

/// Those for which the bell was rung.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rung(u8);

impl Bell {
    /// The bell of `stream`, rung for every part: none was ever asked.
    pub(super) fn new(stream: Arc<Wake>) -> Arc<Self> {
        let rung = AtomicU8::new(Part::Requests as u8 | Part::Retire as u8);
        Arc::new(Self { rung, stream })
    }

    /// What rings it for `part`.
    pub(super) fn waker(self: &Arc<Self>, part: Part) -> task::Waker {
        let bell = Arc::clone(self);
        Arc::new(Rope { bell, part }).into()
    }

    pub(super) fn ring(&self, part: Part) {
        self.rung.fetch_or(part as u8, Ordering::AcqRel);
        self.stream.waker.wake();
    }

    /// For which parts it was rung since this was last called.
    pub(super) fn take(&self) -> Rung {
        let silent = self.rung.load(Ordering::Acquire) == 0;
        Rung(if silent {
            0
        } else {
            self.rung.swap(0, Ordering::AcqRel)
        })
    }
}

impl Rung {
    pub(super) fn includes(self, part: Part) -> bool {
        self.0 & part as u8 != 0
    }
}

impl task::Wake for Rope {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.bell.ring(self.part);
    }
}
