//! The fields of an entry which is an object, taken apart in one pass.

use crate::condition::{
    cursor::{Broken, Cursor},
    json::{self, Json},
};

/// The fields that carry an entry's own time, in the order of preference; `lastTransitionTime` is no heartbeat.
pub(super) const TIMES: [&str; 4] = [
    "observedAt",
    "lastHeartbeatTime",
    "lastProbeTime",
    "lastUpdateTime",
];

/// The fields of an entry which is an object.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub(super) type_: Option<Json<'a>>,
    pub(super) value: Option<Json<'a>>,
    pub(super) status: Option<Json<'a>>,
    pub(super) reason: Option<Json<'a>>,
    pub(super) message: Option<Json<'a>>,
    pub(super) transition: Option<Json<'a>>,
    pub(super) generation: Option<Json<'a>>,
    pub(super) times: [Option<Json<'a>>; 4],
    /// A field that is there twice; the last one counts, as in the API server.
    pub(super) duplicate: Option<&'static str>,
    /// The levels of the deepest field.
    pub(super) depth: usize,
    /// The bytes of the whole object.
    pub(super) bytes: usize,
    /// The hash of the whole object.
    pub(super) content: u64,
}

impl<'a> Fields<'a> {
    /// Takes an object apart.
    pub(super) fn read(cursor: &mut Cursor<'a>) -> Result<Self, Broken> {
        let mut fields = Self::default();
        let mut sum = 0_u64;
        let (start, _) = cursor.next_byte();
        cursor.members(|key, cursor| {
            let value = cursor.value()?;
            fields.depth = fields.depth.max(value.depth());
            sum = sum.wrapping_add(json::pair(key.hash(), value.hash()));
            if let Some(key) = key.text() {
                fields.put(&key, value);
            }
            Ok(())
        })?;
        fields.bytes = cursor.since(start).len();
        fields.content = json::hash_members(sum);
        Ok(fields)
    }

    fn put(&mut self, key: &str, value: Json<'a>) {
        let (name, field) = match key {
            "value" => ("value", &mut self.value),
            "type" => ("type", &mut self.type_),
            "status" => ("status", &mut self.status),
            "reason" => ("reason", &mut self.reason),
            "message" => ("message", &mut self.message),
            "lastTransitionTime" => ("lastTransitionTime", &mut self.transition),
            "observedGeneration" => ("observedGeneration", &mut self.generation),
            _ => match TIMES
                .into_iter()
                .zip(&mut self.times)
                .find(|(name, _)| *name == key)
            {
                Some(found) => found,
                None => return,
            },
        };
        if field.replace(value).is_some() {
            self.duplicate = Some(name);
        }
    }
}
