//! Which fields of which messages are maps, or lead to maps.
//!
//! The table is generated from the Envoy types; the test `canonical` keeps it so, and says how to write it anew.

use std::collections::HashMap;
use std::sync::LazyLock;

/// What the walk finds in a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A message of this type, single or repeated.
    Message(&'static str),
    /// A map whose values hold no maps.
    Map,
    /// A map whose values are messages of this type.
    MapOf(&'static str),
}

/// The fields of `message` that matter, by number; empty for a message that holds no maps.
pub(super) fn fields(message: &str) -> &'static [(u32, Kind)] {
    TABLE.get(message).map_or(&[], Vec::as_slice)
}

static TABLE: LazyLock<HashMap<&'static str, Vec<(u32, Kind)>>> =
    LazyLock::new(|| include_str!("table.txt").lines().filter_map(line).collect());

/// A line such as `google.protobuf.Struct 1*google.protobuf.Value`.
fn line(line: &'static str) -> Option<(&'static str, Vec<(u32, Kind)>)> {
    let (message, fields) = line.split_once(' ')?;
    Some((message, fields.split(' ').filter_map(field).collect()))
}

fn field(field: &'static str) -> Option<(u32, Kind)> {
    let end = field.find(['=', '*'])?;
    let (number, kind) = field.split_at(end);
    let kind = match kind.split_at(1) {
        ("*", "") => Kind::Map,
        ("*", child) => Kind::MapOf(child),
        (_, child) => Kind::Message(child),
    };
    Some((number.parse().ok()?, kind))
}
