//! The status of one stream and type, and the record that the stream keeps of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use crate::name;
use crate::protocol::{Event, Isolated, Rejection, Response, SyncStatus};
use crate::snapshot::Snapshot;
use crate::type_url::TypeUrl;
use crate::version::Version;

/// What one stream subscribes to of one type, was sent, took and refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeStatus {
    /// The type.
    pub type_url: TypeUrl,
    /// It subscribes to everything published.
    pub wildcard: bool,
    /// How many names it subscribes to one by one.
    pub subscribed: usize,
    /// The first of these names, and what it has under them; how many is `track_names` of the configuration.
    pub names: BTreeMap<Arc<str>, NameStatus>,
    /// The last response sent.
    pub sent: Option<Delivered>,
    /// The last response it took.
    pub acked: Option<Delivered>,
    /// The last response it refused.
    pub nacked: Option<Refused>,
    /// How many responses await their answer.
    pub unanswered: usize,
    /// Since when it has not taken all that it was sent; `None` if it has.
    pub unsettled: Option<Instant>,
    /// What it was found to refuse and is not given, the first [`MAX_ISOLATED`] of it.
    pub isolated: Vec<Isolated>,
}

/// How many isolated refusals of one stream and type are kept. Who needs all of them has an [`Observer`](crate::Observer).
pub const MAX_ISOLATED: usize = 64;

/// What a stream has under one name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NameStatus {
    /// The version last sent; `None` if none was, or if it was removed.
    pub sent: Option<Version>,
    /// The version last taken.
    pub acked: Option<Version>,
    /// The version last refused, until another is taken.
    pub nacked: Option<Version>,
}

/// Which response something is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The version of the type.
    pub version: Version,
    /// The publication it was made from.
    pub sequence: u64,
    /// When it was sent, taken or refused.
    pub at: Instant,
}

/// A response that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which one.
    pub response: Delivered,
    /// Why, in the client's own words.
    pub rejection: Rejection,
}

impl TypeStatus {
    fn new(type_url: TypeUrl) -> Self {
        Self {
            type_url,
            wildcard: false,
            subscribed: 0,
            names: BTreeMap::new(),
            sent: None,
            acked: None,
            nacked: None,
            unanswered: 0,
            unsettled: None,
            isolated: Vec::new(),
        }
    }

    /// Forgets what was isolated under names that something else was sent under since.
    fn supersede(&mut self, response: &Response) {
        let anew = |name: &str| {
            response.resource(name).is_some()
                || response.removed.iter().any(|removed| **removed == *name)
        };
        if !response.probe {
            self.isolated.retain(|isolated| !anew(&isolated.name));
        }
    }

    /// Whether every name it subscribes to is among [`Self::names`], and none of them stands for several.
    pub(crate) fn follows_all(&self) -> bool {
        let several = |name: &Arc<str>| name::is_glob(name);
        !self.wildcard && self.names.len() == self.subscribed && !self.names.keys().any(several)
    }

    /// Notes something about the names of `response` that are tracked.
    fn note(&mut self, response: &Response, note: impl Fn(&mut NameStatus, Option<Version>)) {
        for resource in &response.resources {
            let aliases = resource.aliases().iter();
            for name in aliases.chain([resource.name()]) {
                if let Some(status) = self.names.get_mut(name) {
                    note(status, Some(resource.version()));
                }
            }
        }
        for name in &response.removed {
            if let Some(status) = self.names.get_mut(name) {
                note(status, None);
            }
        }
    }
}

impl Delivered {
    fn new(response: &Response, at: Instant) -> Self {
        Self {
            version: response.version,
            sequence: response.sequence,
            at,
        }
    }
}

/// The record that a stream keeps of its status.
#[derive(Debug)]
pub(crate) struct StreamRecord {
    types: BTreeMap<TypeUrl, Arc<TypeStatus>>,
    sync_status: Vec<SyncStatus>,
    track_names: usize,
    /// The types of which the client says that it has something from an earlier stream, until it is known whether that is all there is.
    holding: Vec<TypeUrl>,
}

impl StreamRecord {
    pub(crate) fn new(track_names: usize) -> Self {
        Self {
            types: BTreeMap::new(),
            sync_status: Vec::new(),
            track_names,
            holding: Vec::new(),
        }
    }

    /// As it is to be shown to others; what they keep of it is copied before it changes.
    pub(crate) fn types(&self) -> Vec<Arc<TypeStatus>> {
        self.types.values().cloned().collect()
    }

    pub(crate) fn of_type(&self, type_url: &TypeUrl) -> Option<Arc<TypeStatus>> {
        self.types.get(type_url).cloned()
    }

    pub(crate) fn sync_status(&self, type_url: &TypeUrl) -> Option<&SyncStatus> {
        self.sync_status
            .iter()
            .find(|one| one.type_url == *type_url)
    }

    /// Notes how far the client is, and says whether that is news.
    pub(crate) fn catch_up(&mut self, sync_status: impl Iterator<Item = SyncStatus>) -> bool {
        let mut news = false;
        for new in sync_status {
            let mut all = self.sync_status.iter_mut();
            match all.find(|known| known.type_url == new.type_url) {
                Some(known) if new.is_news_after(known) => *known = new,
                // How far it is may be known better from before; what is in the way of more is not.
                Some(known) if new.withheld != known.withheld => known.withheld = new.withheld,
                Some(_) => continue,
                None if new.is_unknown() => continue,
                None => self.sync_status.push(new),
            }
            news = true;
        }
        news
    }

    /// Notes that the client is owed something of the type.
    pub(crate) fn fall_behind(&mut self, type_url: &TypeUrl) {
        self.sync_status.retain(|known| known.type_url != *type_url);
    }

    pub(crate) fn subscribed(&mut self, type_url: &TypeUrl, wildcard: bool, names: &[Arc<str>]) {
        let track = self.track_names;
        let status = self.status(type_url);
        let mut before = std::mem::take(&mut status.names);
        status.wildcard = wildcard;
        status.subscribed = names.len();
        if !wildcard {
            let asked = |name: &Arc<str>| {
                names.contains(name)
                    || name::glob_of(name)
                        .is_some_and(|glob| names.iter().any(|name| **name == *glob))
            };
            status.isolated.retain(|isolated| asked(&isolated.name));
        }
        let tracked = names.iter().take(track).map(|name| {
            let known = before.remove(name).unwrap_or_default();
            (Arc::clone(name), known)
        });
        status.names = tracked.collect();
    }

    /// The client says that it has these from an earlier stream; it was sent nothing on this one yet.
    pub(crate) fn held(&mut self, type_url: &TypeUrl, held: &[(Arc<str>, Version)]) {
        let status = self.status(type_url);
        if status.sent.is_some() {
            return;
        }
        self.holding.push(type_url.clone());
        let status = self.status(type_url);
        for (name, version) in held {
            if let Some(known) = status.names.get_mut(name) {
                known.sent = Some(*version);
                known.acked = Some(*version);
            }
        }
    }

    /// Notes that a client which said what it has, and was sent nothing, has what is published: it took it on an earlier stream.
    pub(crate) fn confirm_held(&mut self, snapshot: &Snapshot, at: Instant) {
        for type_url in std::mem::take(&mut self.holding) {
            let caught_up = self.sync_status(&type_url).map(|one| one.caught_up);
            if caught_up != Some(snapshot.sequence()) {
                self.holding.push(type_url);
                continue;
            }
            let status = self.status(&type_url);
            if status.sent.is_none() {
                status.acked = Some(Delivered {
                    version: snapshot.contents(&type_url).version(),
                    sequence: snapshot.sequence(),
                    at,
                });
            }
        }
    }

    pub(crate) fn sent(&mut self, response: &Response, at: Instant) {
        let status = self.status(&response.type_url);
        status.sent = Some(Delivered::new(response, at));
        status.unanswered += 1;
        status.unsettled.get_or_insert(at);
        status.supersede(response);
        status.note(response, |name, version| name.sent = version);
    }

    pub(crate) fn answered(&mut self, event: &Event, at: Instant) {
        match event {
            Event::Subscribed(_) | Event::Unresolved(..) => {}
            Event::Acked(response) => {
                let status = self.status(&response.type_url);
                status.acked = Some(Delivered::new(response, at));
                status.unanswered = status.unanswered.saturating_sub(1);
                status.note(response, |name, version| {
                    name.acked = version;
                    // That it takes part of what it refused does not mean that it takes the whole.
                    if !response.probe || name.nacked == version {
                        name.nacked = None;
                    }
                });
                let refuses = status.names.values().any(|name| name.nacked.is_some())
                    || !status.isolated.is_empty();
                if status.unanswered == 0 && !refuses {
                    status.unsettled = None;
                }
            }
            Event::Nacked(response, rejection) | Event::InconclusiveNack(response, rejection) => {
                let status = self.status(&response.type_url);
                status.unanswered = status.unanswered.saturating_sub(1);
                status.nacked = Some(Refused {
                    response: Delivered::new(response, at),
                    rejection: rejection.clone(),
                });
                if !response.probe {
                    status.note(response, |name, version| name.nacked = version);
                }
            }
            Event::Isolated(isolated) => {
                let status = self.status(&isolated.type_url);
                let same =
                    |known: &Isolated| known.name == isolated.name && known.part == isolated.part;
                status.isolated.retain(|known| !same(known));
                if status.isolated.len() < MAX_ISOLATED {
                    status.isolated.push(isolated.clone());
                }
            }
        }
    }

    fn status(&mut self, type_url: &TypeUrl) -> &mut TypeStatus {
        let fresh = || Arc::new(TypeStatus::new(type_url.clone()));
        Arc::make_mut(self.types.entry(type_url.clone()).or_insert_with(fresh))
    }
}

#[cfg(test)]
mod tests {
    use super::{StreamRecord, SyncStatus, TypeUrl};

    fn sync_status(caught_up: u64, withheld: u64) -> SyncStatus {
        SyncStatus {
            type_url: TypeUrl::CLUSTER,
            caught_up,
            refused: Vec::new(),
            inconclusive: Vec::new(),
            withheld,
        }
    }

    #[test]
    fn what_is_in_the_way_is_noted_of_a_client_that_is_further() {
        let mut record = StreamRecord::new(1);
        for (new, news, noted) in [
            (sync_status(0, 0), false, None),
            (sync_status(2, 0), true, Some(sync_status(2, 0))),
            (sync_status(1, 3), true, Some(sync_status(2, 3))),
            (sync_status(1, 3), false, Some(sync_status(2, 3))),
            (sync_status(1, 0), true, Some(sync_status(2, 0))),
            (sync_status(4, 0), true, Some(sync_status(4, 0))),
        ] {
            assert_eq!(record.catch_up([new].into_iter()), news);
            assert_eq!(record.sync_status(&TypeUrl::CLUSTER), noted.as_ref());
        }
    }
}
