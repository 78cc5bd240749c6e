//! The cut of a runtime layer: its keys.

use std::sync::Arc;

use super::assemble;
use crate::bisect::{Cut, Parts};
use crate::canonical::length_delimited;

/// The cut of a runtime layer: its keys.
struct Keys;

/// How a runtime layer is cut for [bisecting](crate::bisect): each key is a part.
pub fn keys() -> impl Cut {
    Keys
}

impl Cut for Keys {
    fn split(&self, body: &[u8]) -> Option<Parts> {
        let mut parts = Parts::new();
        for (number, content) in length_delimited(body)? {
            match number {
                1 => {}
                2 => {
                    for (number, entry) in length_delimited(content)? {
                        let (key, value) = (number == 1).then(|| entry_of(entry))??;
                        parts.insert(key, value);
                    }
                }
                _ => return None,
            }
        }
        Some(parts)
    }

    fn join(&self, name: &str, parts: &Parts) -> Vec<u8> {
        let fields = parts.iter().map(|(key, value)| (&**key, value.clone()));
        assemble(name, fields)
    }
}

/// Key and value of a map's entry.
fn entry_of(entry: &[u8]) -> Option<(Arc<str>, Vec<u8>)> {
    let (mut key, mut value) = ("", Vec::new());
    for (number, content) in length_delimited(entry)? {
        match number {
            1 => key = std::str::from_utf8(content).ok()?,
            2 => value = content.to_vec(),
            _ => return None,
        }
    }
    Some((key.into(), value))
}

#[cfg(test)]
mod tests {
    use crate::bisect::{Cut as _, Parts};
    use crate::runtime::{Denominator, RuntimeValue, keys, layer};

    #[test]
    fn a_layer_is_cut_into_its_keys_and_joined_again() {
        let half = RuntimeValue::FractionalPercent {
            numerator: 5,
            denominator: Denominator::Hundred,
        };
        let fields = [
            ("a", RuntimeValue::Number(0.0)),
            ("b", RuntimeValue::Text(String::new())),
            ("c", half),
        ];
        let whole = layer("shop", fields.clone());
        let mut parts = keys().split(whole.body()).unwrap();
        assert_eq!(
            parts.keys().map(|key| &**key).collect::<Vec<_>>(),
            ["a", "b", "c"]
        );
        assert_eq!(keys().join("shop", &parts), whole.body());
        parts.remove("c");
        let rest = layer("shop", fields.into_iter().take(2));
        assert_eq!(whole.with_body(&keys().join("shop", &parts)), rest);
        let empty = layer("shop", []);
        assert_eq!(keys().split(empty.body()), Some(Parts::new()));
        assert_eq!(keys().split(&[0xff]), None);
    }
}
