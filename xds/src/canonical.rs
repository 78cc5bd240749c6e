//! The canonical encoding: map entries in the order of their keys, so that equal content has equal bytes.
//!
//! The protobuf wire format does not say which field is a map, so a table of map fields per message type is walked beside the bytes.

pub(crate) mod proto;
mod table;
mod walk;

pub(crate) use walk::{length_delimited, sort_maps};
