//! The fields of an entry which is an object, taken apart in one pass.

use crate::condition::{
    cursor::{Broken, Cursor, member},
    json::{self, Json},
};

/// The fields that carry an entry's heartbeat unless the contract says otherwise, in the order of preference.
///
/// Neither `lastTransitionTime` nor `lastUpdateTime` is one: the kinds that have them write them with changes only.
const HEARTBEATS: [&str; 3] = ["observedAt", "lastHeartbeatTime", "lastProbeTime"];

/// The fields of an entry which is an object; of a field that is there twice the last one, as in the API server.
#[derive(Debug, Default)]
pub(super) struct Fields<'a> {
    pub(super) type_: Option<Json<'a>>,
    pub(super) value: Option<Json<'a>>,
    pub(super) value_hash: u64,
    pub(super) status: Option<Json<'a>>,
    pub(super) status_hash: u64,
    pub(super) transition: Option<Json<'a>>,
    heartbeats: [Option<Json<'a>>; 3],
    /// The whole object, as written.
    raw: &'a str,
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
            let hash = value.hash();
            sum = sum.wrapping_add(json::pair(key.hash(), hash));
            if let Some(key) = key.text() {
                fields.put(&key, value, hash);
            }
            Ok(())
        })?;
        fields.raw = cursor.since(start);
        fields.content = json::hash_members(sum);
        Ok(fields)
    }

    /// The usual heartbeat: the first that is there.
    pub(super) fn heartbeat(&self) -> Option<(&'static str, Json<'a>)> {
        HEARTBEATS
            .into_iter()
            .zip(self.heartbeats)
            .find_map(|(name, value)| Some((name, present(value)?)))
    }

    /// Any field, by its name.
    pub(super) fn named(&self, name: &str) -> Option<Json<'a>> {
        present(member(Json::Object(self.raw), name))
    }

    fn put(&mut self, key: &str, value: Json<'a>, hash: u64) {
        let field = match key {
            "value" => {
                self.value_hash = hash;
                &mut self.value
            }
            "type" => &mut self.type_,
            "status" => {
                self.status_hash = hash;
                &mut self.status
            }
            "lastTransitionTime" => &mut self.transition,
            _ => match HEARTBEATS
                .into_iter()
                .zip(&mut self.heartbeats)
                .find(|(name, _)| *name == key)
            {
                Some((_, field)) => field,
                None => return,
            },
        };
        *field = Some(value);
    }
}

/// A field's value, where it isn't null, which the API server's types write for an absent one.
pub(super) fn present(value: Option<Json<'_>>) -> Option<Json<'_>> {
    value.filter(|value| *value != Json::Null)
}
