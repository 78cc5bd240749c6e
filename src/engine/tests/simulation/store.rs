//! The store: what the API server keeps of the objects, of the policy's status and of the lease, and the log of its changes.

use std::sync::Arc;

use serde_json::json;

use super::agenda::{Feed, Status};
use super::safeguards::Safeguards;
use crate::engine::tests::world::meta;
use crate::wire::event::{Object, SeenBy};

pub(super) const OBJECTS: [&str; 2] = ["cart", "search"];

#[derive(Debug, Default)]
pub(super) struct Store {
    pub(super) status: Status,
    pub(super) version: u64,
    pub(super) lease: LeaseCopy,
    /// What each object reports.
    pub(super) objects: Vec<Object>,
    pub(super) log: Vec<Logged>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LeaseCopy {
    pub(super) version: u64,
    pub(super) holder: Option<usize>,
}

#[derive(Clone, Debug)]
pub(super) enum Logged {
    Status(Status),
    Object(Box<Object>),
}

impl Logged {
    pub(super) fn feed(&self) -> Feed {
        match self {
            Self::Status(_) => Feed::Policies,
            Self::Object(_) => Feed::Objects,
        }
    }
}

impl Store {
    /// Writes a value, and says where the log has it.
    pub(super) fn report(&mut self, object: usize, value: u64) -> usize {
        let reported = self::object(object, value, self.log.len() + 1);
        self.objects[object] = reported.clone();
        self.append(Logged::Object(Box::new(reported)))
    }

    /// Writes a status over a version, and says where the log has it; nothing if there is another version by now.
    pub(super) fn write(
        &mut self,
        version: Option<u64>,
        status: &Status,
        safeguards: Safeguards,
    ) -> Option<usize> {
        let expected = version.filter(|_| safeguards.versions);
        if expected.is_some_and(|version| version != self.version) {
            return None;
        }
        self.version += 1;
        self.status = Arc::clone(status);
        Some(self.append(Logged::Status(Arc::clone(status))))
    }

    /// Takes or renews the lease, if it still has this version.
    pub(super) fn claim(&mut self, holder: usize, version: u64) -> Option<u64> {
        if self.lease.version != version {
            return None;
        }
        self.lease = LeaseCopy {
            version: version + 1,
            holder: Some(holder),
        };
        Some(self.lease.version)
    }

    fn append(&mut self, logged: Logged) -> usize {
        self.log.push(logged);
        self.log.len() - 1
    }
}

/// An object as a watch brings it.
pub(super) fn object(index: usize, value: u64, version: usize) -> Object {
    let name = OBJECTS[index];
    let mut meta = meta("shop", name, &format!("{name}-1"), 1);
    meta.resource_version = version.to_string().into();
    meta.labels = serde_json::from_value(json!({"tier": "gold"})).unwrap();
    let conditions = json!({"network-latency": format!("{value}ms"), "tier": "gold"});
    let status = json!({"conditions": conditions}).to_string();
    Object {
        meta,
        status: Some(serde_json::value::RawValue::from_string(status).unwrap()),
        rest: None,
        seen_by: SeenBy::Watch,
    }
}
