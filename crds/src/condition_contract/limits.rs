//! How much an update may contain, and what becomes of keys that nobody declared.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much an update of an object's conditions may contain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Limits {
    /// The most entries of the map or list.
    #[schemars(range(min = 1, max = 64))]
    pub max_entries: u32,

    /// The most levels of nesting: the map or list itself is the first, an object in it the second.
    #[schemars(range(min = 1, max = 8))]
    pub max_depth: u32,

    /// The most characters of a key.
    #[schemars(range(min = 1, max = 253))]
    pub max_key_length: u32,

    /// The most bytes of an entry's value, as JSON; in the standard list, without reason and message.
    #[schemars(range(min = 1, max = 32_768))]
    pub max_value_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_entries: 10,
            max_depth: 3,
            max_key_length: 63,
            max_value_bytes: 1024,
        }
    }
}

/// What becomes of a key that the contract doesn't declare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum UnknownKeys {
    /// The update is illegal.
    Reject,
    /// The key is passed over.
    Ignore,
}
