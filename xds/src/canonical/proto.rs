//! `google.protobuf.Struct` and its values, written canonically.

use bytes::BufMut;

use crate::wire;

/// Entries of a map, which the caller has put in the order of their keys, as the field 1 of a message.
pub(crate) fn map<'a>(entries: impl Iterator<Item = (&'a str, Vec<u8>)>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (key, value) in entries {
        let length = wire::bytes_len(1, key.as_bytes()) + wire::field_len(2, value.len());
        wire::put_head(&mut bytes, 1, length);
        wire::put_bytes(&mut bytes, 1, key.as_bytes());
        wire::put_head(&mut bytes, 2, value.len());
        bytes.put_slice(&value);
    }
    bytes
}

/// A `Value` that is a number.
pub(crate) fn number(number: f64) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(9);
    bytes.put_u8(2 << 3 | 1);
    bytes.put_f64_le(number);
    bytes
}

/// A `Value` that is a text.
pub(crate) fn text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + 6);
    wire::put_head(&mut bytes, 3, text.len());
    bytes.put_slice(text.as_bytes());
    bytes
}

/// A `Value` that is a boolean.
pub(crate) fn flag(flag: bool) -> Vec<u8> {
    vec![4 << 3, u8::from(flag)]
}

/// A `Value` that is a struct whose fields are the encoded map `fields`.
pub(crate) fn structure(fields: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(fields.len() + 6);
    wire::put_head(&mut bytes, 5, fields.len());
    bytes.put_slice(fields);
    bytes
}
