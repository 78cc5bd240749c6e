//! A topic: what a stream can be interested in, so that only those concerned by a change are woken.

use std::sync::Arc;

use crate::type_url::TypeUrl;

/// What a stream can be interested in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Topic {
    /// The type as such: its absent rule. Every stream that subscribes to anything of the type has this one.
    Type(TypeUrl),
    /// Everything published of the type.
    Wildcard(TypeUrl),
    /// One name, or alias.
    Name(TypeUrl, Arc<str>),
}

/// How a stream's interest changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterestChange {
    /// From now on it is interested.
    Join(Topic),
    /// It no longer is.
    Leave(Topic),
}
