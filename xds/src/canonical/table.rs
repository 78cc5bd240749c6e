//! Which fields of which messages are maps, or lead to maps.

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

type Fields = &'static [(u32, Kind)];

/// The fields of `message` that matter; empty for a message that holds no maps.
pub(super) fn fields(message: &str) -> Fields {
    match MESSAGES.binary_search_by_key(&message, |(name, _)| name) {
        Ok(index) => MESSAGES.get(index).map_or(&[], |(_, fields)| fields),
        Err(_) => &[],
    }
}

/// In the order of names.
const MESSAGES: &[(&str, Fields)] = &[
    (
        "envoy.service.runtime.v3.Runtime",
        &[(2, Kind::Message("google.protobuf.Struct"))],
    ),
    (
        "google.protobuf.ListValue",
        &[(1, Kind::Message("google.protobuf.Value"))],
    ),
    (
        "google.protobuf.Struct",
        &[(1, Kind::MapOf("google.protobuf.Value"))],
    ),
    (
        "google.protobuf.Value",
        &[
            (5, Kind::Message("google.protobuf.Struct")),
            (6, Kind::Message("google.protobuf.ListValue")),
        ],
    ),
];
