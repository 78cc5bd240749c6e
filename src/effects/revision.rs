//! Revisions: the stored schemas of a CRD, to roll back to.
//!
//! A revision is identified by its hash, not by its number. Storing a known one only updates when it
//! was last live; if the number is taken, the next one is used. Revisions beyond the limit are
//! deleted, see [`surplus`].

mod dir;
mod kube;
mod stored;

use std::fmt;
use std::time::Duration;

use crate::effects::cluster::Cluster;
use crate::effects::delivery::{Deliver, Delivered, Failure, Limits};
use crate::effects::folder::Folder;
use crate::runtime::backoff::Backoff;
use crate::runtime::metrics::EffectKind;
use crate::wire::effect::Record;

pub(crate) use crate::effects::revision::dir::{list as list_in_dir, mark_bad as mark_bad_in_dir};
pub(crate) use crate::effects::revision::kube::{is_stored, mark_bad};

/// The limits of records: retried without end, because a rollback needs them.
pub(crate) const LIMITS: Limits = Limits {
    kind: EffectKind::Record,
    bound: 1_024,
    // One at a time, so that two schemas of one CRD don't take the same number.
    at_once: 1,
    within: Duration::from_secs(20),
    attempts: u32::MAX,
    backoff: Backoff {
        base: Duration::from_millis(500),
        max: Duration::from_secs(30),
    },
};

/// Where revisions are kept.
pub(crate) enum Revisions {
    Kube(Cluster),
    Dir(Folder),
}

/// A schema of a CRD.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity {
    crd: Box<str>,
    hash: Box<str>,
}

impl Identity {
    pub(crate) fn of(record: &Record) -> Self {
        Self {
            crd: record.revision.crd.clone(),
            hash: record.revision.hash.clone(),
        }
    }
}

impl Deliver for Revisions {
    type Key = Identity;
    type Value = Record;

    async fn deliver(&self, _: &Identity, record: &Record) -> Result<Delivered, Failure> {
        match self {
            Self::Kube(cluster) => kube::record(cluster, record).await?,
            Self::Dir(folder) => dir::record(folder, record).await?,
        }
        Ok(Delivered::Done)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.crd, self.hash)
    }
}

#[cfg(test)]
mod tests;
