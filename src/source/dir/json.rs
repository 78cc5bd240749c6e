//! JSON, decoded within the same limits as YAML: nesting, number of values, and no key given twice.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Deepest nesting: four times what any contract allows, and safe for the stack.
pub(super) const DEEPEST: usize = 64;

/// Decodes one value that begins at a line of its file, and takes its nodes from those that are left.
///
/// # Errors
///
/// Where and why it is not JSON, or which limit it exceeds.
pub(super) fn decode(text: &str, line: usize, nodes: &mut usize) -> Result<Value, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Bounded { depth: 0, nodes }.deserialize(&mut deserializer);
    let value = value.and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| {
        let at = line + error.line().saturating_sub(1);
        let text = error.to_string();
        // serde_json appends the place within the text.
        let what = text.split(" at line ").next().unwrap_or(&text);
        format!("line {at}: {what}")
    })
}

/// Decodes a value at a depth.
struct Bounded<'n> {
    depth: usize,
    nodes: &'n mut usize,
}

impl Bounded<'_> {
    fn inner<E: Error>(&mut self) -> Result<Bounded<'_>, E> {
        if self.depth >= DEEPEST {
            return Err(E::custom(format_args!(
                "nested deeper than the limit of {DEEPEST}"
            )));
        }
        *self.nodes = self
            .nodes
            .checked_sub(1)
            .ok_or_else(|| E::custom("the file holds too many values; split it"))?;
        Ok(Bounded {
            depth: self.depth + 1,
            nodes: self.nodes,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self.inner()?)? {
            items.push(item);
        }
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let value = map.next_value_seed(self.inner()?)?;
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format_args!(
                    "the key {key:?} is given twice"
                )));
            }
            fields.insert(key, value);
        }
        Ok(fields.into())
    }
}
