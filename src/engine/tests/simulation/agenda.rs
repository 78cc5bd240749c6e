//! The agenda: what happens next, and when. Two acts of one moment happen in the order in which they were entered.

use std::collections::BTreeMap;
use std::sync::Arc;

use fusegate_crds::CircuitPolicyStatus;

use super::store::LeaseCopy;
use crate::wire::effect::{Alert, KubeEvent};

pub(super) type Status = Arc<CircuitPolicyStatus>;

/// Milliseconds of true time.
pub(super) type Time = u64;

/// Something that happens.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// An operator reports an object's next value.
    Report(usize),
    Fault,
    /// All replicas crash at once.
    Outage,
    /// A replica starts.
    Start(usize),
    /// A replica reaches the API server again.
    Heal(usize),
    /// A frozen process goes on, unless it has been killed or frozen anew by then.
    Thaw(usize),
    /// An Envoy looks for a replica.
    Connect(usize),
    /// A request arrives at the API server.
    Request(Sender, Request),
    /// What a leader tells arrives.
    Event(Box<KubeEvent>),
    Alert(Box<Alert>, i64),
    /// A process does something, unless it is gone by then.
    Do(Sender, Deed),
}

/// A process of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) replica: usize,
    pub(super) incarnation: u32,
}

#[derive(Clone, Debug)]
pub(super) enum Request {
    ReadLease {
        round: u32,
    },
    WriteLease {
        round: u32,
        version: u64,
    },
    ReadStatus {
        attempt: u32,
    },
    WriteStatus {
        attempt: u32,
        version: Option<u64>,
        status: Status,
    },
    /// The statuses, for whoever is about to lead.
    List {
        beginning: u32,
    },
}

/// What a process does.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Turn,
    /// A turn that waits for a write waits no more.
    Release(u32),
    /// One of the feeds that hold the configuration is listed.
    Configure(u8),
    List(Feed),
    /// The watch goes on where it was.
    Resume(Feed),
    Watched {
        feed: Feed,
        session: u32,
        index: usize,
    },
    Confirm,
    Interrupted,
    Elect,
    Expire,
    LeaseTimeout(u32),
    LeaseRead(u32, LeaseCopy),
    /// The new version; `None` where it was another one than was thought.
    LeaseWritten(u32, Option<u64>),
    /// Whoever is about to lead asks for the statuses, again and again until it has them.
    Begin(u32),
    Listed(u32, Status, usize),
    Write,
    StatusTimeout(u32),
    StatusRead(u32, u64),
    StatusWritten(u32, Option<u64>),
    SendEvent(u32, Box<KubeEvent>),
    Resend(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feed {
    Policies,
    Objects,
}

impl Deed {
    /// Deeds of one class keep their order when a frozen process goes on.
    pub(super) fn class(&self) -> usize {
        match self {
            Self::Turn | Self::Release(_) => 0,
            Self::Watched {
                feed: Feed::Policies,
                ..
            } => 1,
            Self::Watched {
                feed: Feed::Objects,
                ..
            } => 2,
            Self::Elect
            | Self::Expire
            | Self::LeaseTimeout(_)
            | Self::LeaseRead(..)
            | Self::LeaseWritten(..)
            | Self::Begin(_)
            | Self::Listed(..) => 3,
            Self::Write
            | Self::StatusTimeout(_)
            | Self::StatusRead(..)
            | Self::StatusWritten(..) => 4,
            _ => 5,
        }
    }
}

pub(super) const CLASSES: usize = 6;

#[derive(Debug, Default)]
pub(super) struct Agenda {
    entries: BTreeMap<(Time, u64), Act>,
    entered: u64,
}

impl Agenda {
    pub(super) fn enter(&mut self, at: Time, act: Act) {
        self.entered += 1;
        self.entries.insert((at, self.entered), act);
    }

    pub(super) fn next(&mut self) -> Option<(Time, Act)> {
        let ((at, _), act) = self.entries.pop_first()?;
        Some((at, act))
    }
}
