//! A fingerprint: 64 bits that every replica computes alike from a circuit's identity.
//!
//! Trip ids and jitter come from it, so that replicas agree without talking.
//! It is FNV-1a (64 bit, <http://www.isthe.com/chongo/tech/comp/fnv/>) followed by
//! `MurmurHash3`'s 64-bit finalizer, because FNV alone leaves the high bits of short
//! inputs poorly mixed. It is written out here, and pinned by a test, because a trip
//! id outlives processes and versions; it resists accidents, not attackers.

use crate::breaker::circuit::{Identity, TripId};

const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// Ends each text: a byte that UTF-8 never contains, so that no two identities run together.
const SEPARATOR: u8 = 0xff;

/// Keeps the jitter's hash apart from the trip ids'.
const JITTER: u8 = b'j';
const TRIP: u8 = b't';

/// The id of a circuit's trip number `incident`.
#[must_use]
pub fn trip_id(identity: Identity, incident: u64) -> TripId {
    TripId(fingerprint(identity, TRIP, incident))
}

/// What jitters a circuit's wait at one level.
pub(super) fn jitter(identity: Identity, level: u32) -> u64 {
    fingerprint(identity, JITTER, u64::from(level))
}

impl Identity {
    /// Of the circuit of a policy and an object with these uids.
    #[must_use]
    pub fn new(policy_uid: &str, object_uid: &str) -> Self {
        let policy = policy_uid.bytes().chain([SEPARATOR]);
        let object = object_uid.bytes().chain([SEPARATOR]);
        Self(hash(OFFSET_BASIS, policy.chain(object)))
    }
}

fn fingerprint(identity: Identity, purpose: u8, number: u64) -> u64 {
    let bytes = [purpose].into_iter().chain(number.to_le_bytes());
    finalize(hash(identity.0, bytes))
}

/// FNV-1a, going on from where it stands.
fn hash(from: u64, bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(from, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    })
}

const fn finalize(mut hash: u64) -> u64 {
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}
