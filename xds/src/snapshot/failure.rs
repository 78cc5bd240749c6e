//! A failure: what a client is told of a name instead of a resource (rule 37).

use crate::version::Version;

/// What a client is told of a name instead of a resource (rule 37).
///
/// With `NOT_FOUND` (5) a client drops what it has, with `PERMISSION_DENIED` (7) it may;
/// with `UNAVAILABLE` (14), `INTERNAL` (13) or `UNKNOWN` (2) it goes on with what it has.
/// A client that knows nothing of failures ignores them, and waits for the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The gRPC status code.
    pub code: i32,
    /// Why, for a person.
    pub message: String,
}

impl Failure {
    /// The hash by which failures are told apart.
    pub(crate) fn version(&self) -> Version {
        let mut bytes = self.code.to_be_bytes().to_vec();
        bytes.extend_from_slice(self.message.as_bytes());
        Version::of(&bytes)
    }
}
