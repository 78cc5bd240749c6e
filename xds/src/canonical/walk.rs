//! The walk over encoded bytes, beside the table of map fields.

use prost::bytes::Buf;
use prost::encoding::{WireType, decode_key, decode_varint};

use super::table::{self, Kind};
use crate::wire;

/// Deeper than any configuration; `prost` itself stops decoding at 100.
const MAX_DEPTH: usize = 100;

/// The bytes of `message` with the entries of each map in the order of their keys.
///
/// Bytes that are no message of that type come back as they are.
pub(crate) fn sort_maps(message: &str, bytes: &[u8]) -> Vec<u8> {
    sorted(message, bytes, MAX_DEPTH).unwrap_or_else(|| bytes.to_vec())
}

/// The fields of a message that has only texts, bytes and messages; `None` if it has others, or is none.
pub(crate) fn length_delimited(bytes: &[u8]) -> Option<Vec<(u32, &[u8])>> {
    let mut fields = Vec::new();
    let mut rest = bytes;
    while rest.has_remaining() {
        let field = Field::read(&mut rest)?;
        fields.push((field.number, field.content?));
    }
    Some(fields)
}

fn sorted(message: &str, bytes: &[u8], depth: usize) -> Option<Vec<u8>> {
    let any = message == "google.protobuf.Any";
    let fields = table::fields(message);
    if depth == 0 || (fields.is_empty() && !any) {
        return Some(bytes.to_vec());
    }
    if any {
        return sorted_any(bytes, depth);
    }
    let mut out = Vec::with_capacity(bytes.len());
    let mut maps: Vec<(u32, Vec<Entry>)> = Vec::new();
    let mut rest = bytes;
    while rest.has_remaining() {
        let field = Field::read(&mut rest)?;
        let kind = fields.iter().find(|(number, _)| *number == field.number);
        match (kind.map(|(_, kind)| *kind), field.content) {
            (Some(Kind::Message(child)), Some(content)) => {
                put(&mut out, field.number, &sorted(child, content, depth - 1)?);
            }
            (Some(Kind::Map), Some(content)) => {
                collect(&mut maps, field.number, Entry::read(content, None, depth)?);
            }
            (Some(Kind::MapOf(child)), Some(content)) => {
                collect(
                    &mut maps,
                    field.number,
                    Entry::read(content, Some(child), depth)?,
                );
            }
            _ => out.extend_from_slice(field.whole),
        }
    }
    for (number, mut entries) in maps {
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        for entry in &entries {
            put(&mut out, number, &entry.bytes);
        }
    }
    Some(out)
}

fn sorted_any(bytes: &[u8], depth: usize) -> Option<Vec<u8>> {
    let any = <envoy_types::pb::google::protobuf::Any as prost::Message>::decode(bytes).ok()?;
    let message = any.type_url.rsplit('/').next().unwrap_or_default();
    let value = sorted(message, &any.value, depth - 1)?;
    let mut out = Vec::with_capacity(bytes.len());
    wire::put_bytes(&mut out, 1, any.type_url.as_bytes());
    wire::put_bytes(&mut out, 2, &value);
    Some(out)
}

fn put(out: &mut Vec<u8>, number: u32, content: &[u8]) {
    wire::put_head(out, number, content.len());
    out.extend_from_slice(content);
}

fn collect(maps: &mut Vec<(u32, Vec<Entry>)>, number: u32, entry: Entry) {
    match maps.iter_mut().find(|(field, _)| *field == number) {
        Some((_, entries)) => entries.push(entry),
        None => maps.push((number, vec![entry])),
    }
}

/// One map entry: its key as written, which sorts text keys by their bytes, and the whole entry rewritten.
struct Entry {
    key: Vec<u8>,
    bytes: Vec<u8>,
}

impl Entry {
    fn read(content: &[u8], child: Option<&str>, depth: usize) -> Option<Self> {
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let mut rest = content;
        while rest.has_remaining() {
            let field = Field::read(&mut rest)?;
            match (field.number, field.content, child) {
                (1, content, _) => {
                    key = content.unwrap_or(field.whole).to_vec();
                    value.splice(0..0, field.whole.iter().copied());
                }
                (_, Some(content), Some(child)) => {
                    put(
                        &mut value,
                        field.number,
                        &sorted(child, content, depth - 1)?,
                    );
                }
                _ => value.extend_from_slice(field.whole),
            }
        }
        Some(Self { key, bytes: value })
    }
}

/// One field as it stands on the wire.
struct Field<'a> {
    number: u32,
    whole: &'a [u8],
    /// What is inside, where the field is length-delimited.
    content: Option<&'a [u8]>,
}

impl<'a> Field<'a> {
    fn read(rest: &mut &'a [u8]) -> Option<Self> {
        let start = *rest;
        let (number, wire_type) = decode_key(rest).ok()?;
        let mut content = None;
        match wire_type {
            WireType::Varint => {
                decode_varint(rest).ok()?;
            }
            WireType::SixtyFourBit => *rest = rest.get(8..)?,
            WireType::ThirtyTwoBit => *rest = rest.get(4..)?,
            WireType::LengthDelimited => {
                let length = usize::try_from(decode_varint(rest).ok()?).ok()?;
                content = Some(rest.get(..length)?);
                *rest = rest.get(length..)?;
            }
            WireType::StartGroup | WireType::EndGroup => return None,
        }
        let whole = start.get(..start.len() - rest.len())?;
        Some(Self {
            number,
            whole,
            content,
        })
    }
}
