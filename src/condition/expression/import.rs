//! Importing: JSON text to CEL values, within a bound.

use std::{collections::HashMap, fmt, sync::Arc};

use kube_cel::cel::{
    Value,
    objects::{Key, Map},
};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// The most values, keys apart, that one expression may read: far more than any status of a sane
/// controller has at one path, and few enough to compare each with each.
const MOST_VALUES: usize = 4_096;

/// The most bytes of JSON that one expression may read.
const MOST_BYTES: usize = 65_536;

/// What may still be imported.
#[derive(Debug)]
pub(super) struct Room {
    values: usize,
    bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            values: MOST_VALUES,
            bytes: MOST_BYTES,
        }
    }
}

impl Room {
    /// Imports one piece of JSON.
    pub(super) fn import(&mut self, raw: &str) -> Result<Value, String> {
        self.bytes = self.bytes.checked_sub(raw.len()).ok_or_else(|| {
            format!("would read more than {MOST_BYTES} bytes of the object; name a narrower path")
        })?;
        let mut deserializer = serde_json::Deserializer::from_str(raw);
        Import(self)
            .deserialize(&mut deserializer)
            .map_err(|error| format!("can't read the object: {error}"))
    }
}

/// Takes whatever comes, value by value.
struct Import<'a>(&'a mut Room);

impl Import<'_> {
    fn next(&mut self) -> Import<'_> {
        Import(self.0)
    }
}

impl<'de> DeserializeSeed<'de> for Import<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.0.values = self.0.values.checked_sub(1).ok_or_else(|| {
            de::Error::custom(format_args!(
                "it has more than {MOST_VALUES} values there; name a narrower path"
            ))
        })?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Import<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    /// A whole number is an `int`, as far as it fits, since that is what literals are.
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or(Value::UInt(number), Value::Int))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(Arc::new(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(self.next())? {
            items.push(item);
        }
        Ok(Value::List(Arc::new(items)))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<Value, A::Error> {
        let mut map = HashMap::new();
        while let Some(key) = object.next_key::<String>()? {
            map.insert(
                Key::String(Arc::new(key)),
                object.next_value_seed(self.next())?,
            );
        }
        Ok(Value::Map(Map { map: Arc::new(map) }))
    }
}
