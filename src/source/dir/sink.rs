//! The event sink: sends events from blocking code, and waits while the engine is busy.

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::source::queue::Sender;
use crate::wire::event::{Event, Unreadable};

/// The receiver is gone, or shutdown has begun.
#[derive(Debug)]
pub(super) struct Closed;

/// Where events go.
#[derive(Clone, Debug)]
pub(super) struct EventSink {
    sender: Sender,
    shutdown: CancellationToken,
    runtime: Handle,
}

impl EventSink {
    /// Must be created within a runtime, and used on a blocking thread.
    pub(super) fn new(sender: Sender, shutdown: CancellationToken) -> Self {
        Self {
            sender,
            shutdown,
            runtime: Handle::current(),
        }
    }

    pub(super) fn send(&self, event: Event) -> Result<(), Closed> {
        let sent = self.shutdown.run_until_cancelled(self.sender.send(event));
        match self.runtime.block_on(sent) {
            Some(Ok(())) => Ok(()),
            Some(Err(_)) | None => Err(Closed),
        }
    }

    pub(super) fn unreadable(
        &self,
        place: impl Into<Box<str>>,
        message: impl Into<Box<str>>,
    ) -> Result<(), Closed> {
        self.send(Event::Unreadable(Unreadable {
            place: place.into(),
            message: message.into(),
        }))
    }
}
