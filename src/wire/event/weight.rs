//! Weight: about how much memory an event takes while it waits.

use std::collections::BTreeMap;

use crate::wire::event::{Change, Event, Meta};
use crate::wire::json_size;
use crate::wire::query::{Answered, Series};

/// What every event takes, and what it is made of beside its texts.
const EVENT: usize = 512;

/// What a label takes beside its texts.
const LABEL: usize = 64;

/// What a series takes beside its texts.
const SERIES: usize = 96;

/// How much more memory a document takes than its JSON has bytes, about: every value of it has a place
/// of its own.
const PARSED: usize = 4;

impl Event {
    /// About how many bytes it takes.
    ///
    /// Of an object, whose status is kept as it came, that is said at once; of the others, which are few,
    /// the JSON is counted.
    #[must_use]
    pub fn weight(&self) -> usize {
        let more = match self {
            Self::Object(_, Change::Applied(object) | Change::Deleted(object)) => {
                let raw = [&object.status, &object.rest].into_iter().flatten();
                texts(&object.meta) + raw.map(|raw| raw.get().len()).sum::<usize>()
            }
            Self::Contract(_)
            | Self::Policy(_)
            | Self::Override(_)
            | Self::Crd(_)
            | Self::ApiResource(_)
            | Self::Revision(_)
            | Self::Unreadable(_)
            | Self::Programmed(_)
            | Self::Misasked(_)
            | Self::Webhook(_) => PARSED * json_size::of(self),
            Self::Denied(denied) => denied.reason.len() + denied.name.len() + denied.uid.len(),
            Self::Answer(answer) => answer.result.as_ref().map_or(0, series),
            Self::Interrupted(_, why) => why.len(),
            Self::Listing(_)
            | Self::Listed(_)
            | Self::Confirmed(_)
            | Self::Leading(_)
            | Self::MemoryShort(_)
            | Self::Outcome(_)
            | Self::Rollback(_)
            | Self::Admission(_)
            | Self::WebhookOutcome(_) => 0,
        };
        EVENT + more
    }
}

/// The series of an answer; a query that is not answered says little.
fn series(answered: &Answered) -> usize {
    let texts = |series: &Series| SERIES + series.namespace.len() + series.name.len();
    answered.series.iter().map(texts).sum()
}

fn texts(meta: &Meta) -> usize {
    let of = |map: &BTreeMap<String, String>| -> usize {
        map.iter()
            .map(|(key, value)| LABEL + key.len() + value.len())
            .sum()
    };
    of(&meta.labels) + of(&meta.annotations)
}
