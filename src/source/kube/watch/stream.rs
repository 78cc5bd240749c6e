//! A stream: one open watch and the resource version that it has reached.

use std::pin::Pin;
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{Stream, StreamExt as _};
use kube::core::WatchEvent;
use serde_json::value::RawValue;
use tokio::time::Sleep;

use super::State;
use crate::source::kube::endpoint::WATCH_SECONDS;

/// An item of the stream, still raw.
type Raw = kube::Result<WatchEvent<Box<RawValue>>>;

/// When to give up a stream that the server should have ended: its end was lost on the way.
const LIFETIME: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 5);

/// One open watch.
pub(super) struct Streaming {
    events: BoxStream<'static, Raw>,
    end: Pin<Box<Sleep>>,
    resource_version: String,
    /// Whether a probe has succeeded while it was open.
    pub(super) proven: bool,
}

impl Streaming {
    pub(super) fn new(
        events: impl Stream<Item = Raw> + Send + 'static,
        resource_version: String,
    ) -> Self {
        Self {
            events: events.boxed(),
            end: Box::pin(tokio::time::sleep(LIFETIME)),
            resource_version,
            proven: false,
        }
    }

    /// The next event; `None` at the end. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Raw> {
        tokio::select! {
            biased;
            event = self.events.next() => event,
            () = &mut self.end => None,
        }
    }

    /// Everything up to this resource version is known.
    pub(super) fn reached(&mut self, resource_version: &str) {
        if !resource_version.is_empty() {
            resource_version.clone_into(&mut self.resource_version);
        }
    }

    pub(super) fn into_listed(self) -> State {
        State::Listed(self.resource_version)
    }
}
