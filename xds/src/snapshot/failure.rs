//! A failure: what a client is told of a name instead of a resource (rule 37).

use crate::version::Version;

/// What a client is told of a name instead of a resource (rule 37).
///
/// With `NOT_FOUND` (5) a client drops what it has, with `PERMISSION_DENIED` (7) it may;
/// with `UNAVAILABLE` (14), `INTERNAL` (13) or `UNKNOWN` (2) it goes on with what it has.
/// All clients are sent it, for one that knows nothing of failures skips the field; of those that are known,
/// C-core reads it, and tells the text to whoever calls.
/// One that doesn't waits for the resource if it has none, and keeps the one that it has where the failure says so:
/// of a type whose responses are complete it is sent that one on, because to be left out is to be deleted.
/// No protocol carries the text to it: to end its stream with it would take everything else away too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The gRPC status code.
    pub code: i32,
    /// Why, for a person.
    pub message: String,
}

/// The codes with which a client goes on with what it has: unknown, internal, unavailable.
const KEEPING: [i32; 3] = [2, 13, 14];

impl Failure {
    /// Whether a client goes on with what it has.
    pub fn keeps(&self) -> bool {
        KEEPING.contains(&self.code)
    }

    /// The hash by which failures are told apart.
    pub(crate) fn version(&self) -> Version {
        let mut bytes = self.code.to_be_bytes().to_vec();
        bytes.extend_from_slice(self.message.as_bytes());
        Version::of(&bytes)
    }
}
