//! The content of a Lease: who holds it, and whether it may be taken.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;

use crate::breaker::time::{Mono, Span, Wall};

/// How long a lease lasts without a renewal.
pub(super) const LEASE: Span = Span::from_secs(15);

/// The longest duration that is honored of other holders, so that a wrong one does not hold forever.
const LONGEST: Span = Span::from_secs(600);

/// The resource version of the Lease that was last seen, and since when it has not changed.
#[derive(Debug, Default)]
pub(super) struct Rival {
    seen: Option<(String, Mono)>,
}

impl Rival {
    /// Whether the Lease may be taken: it has no holder, or is this replica's own, or was seen
    /// unchanged for its whole duration.
    pub(super) fn is_free(&mut self, lease: &Lease, identity: &str, now: Mono) -> bool {
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let since = match &self.seen {
            Some((seen, since)) if *seen == version => *since,
            _ => {
                self.seen = Some((version, now));
                now
            }
        };
        let holder = holder(lease);
        holder.is_empty() || holder == identity || now.since(since) >= duration(lease)
    }
}

/// The Lease, held by this replica.
pub(super) fn claim(lease: &Lease, identity: &str, now: Wall) -> Lease {
    let mut claimed = lease.clone();
    let now = MicroTime(Timestamp::from_millisecond(now.0).unwrap_or_default());
    let mut spec = claimed.spec.take().unwrap_or_default();
    if spec.holder_identity.as_deref() != Some(identity) {
        let transitions = spec.lease_transitions.unwrap_or(0);
        spec.lease_transitions = Some(transitions.saturating_add(1));
        spec.acquire_time = Some(now.clone());
        spec.holder_identity = Some(identity.to_owned());
    }
    spec.renew_time = Some(now);
    spec.lease_duration_seconds = i32::try_from(LEASE.0 / 1_000).ok();
    claimed.spec = Some(spec);
    claimed
}

/// The Lease without a holder.
pub(super) fn release(lease: &Lease) -> Lease {
    let mut released = lease.clone();
    if let Some(spec) = &mut released.spec {
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
    }
    released
}

/// Who holds it; empty where nobody does.
pub(super) fn holder(lease: &Lease) -> &str {
    let spec = lease.spec.as_ref();
    spec.and_then(|spec| spec.holder_identity.as_deref())
        .unwrap_or_default()
}

fn duration(lease: &Lease) -> Span {
    let seconds = lease
        .spec
        .as_ref()
        .and_then(|spec| spec.lease_duration_seconds);
    let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
    seconds.map_or(LEASE, Span::from_secs).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anothers_lease_is_free_once_it_has_stood_still_for_its_duration() {
        let mut rival = Rival::default();
        let lease = held("1", "b");
        assert!(!rival.is_free(&lease, "a", at(100)));
        assert!(!rival.is_free(&lease, "a", at(114)));
        assert!(rival.is_free(&lease, "a", at(115)));
        assert!(!rival.is_free(&held("2", "b"), "a", at(115)));
    }

    #[test]
    fn an_old_renew_time_makes_nothing_free() {
        let mut lease = held("1", "b");
        lease.spec.as_mut().unwrap().renew_time = Some(MicroTime(Timestamp::UNIX_EPOCH));
        assert!(!Rival::default().is_free(&lease, "a", at(100)));
    }

    #[test]
    fn ones_own_lease_and_nobodys_are_free_at_once() {
        assert!(Rival::default().is_free(&held("1", "a"), "a", at(100)));
        assert!(Rival::default().is_free(&release(&held("1", "b")), "a", at(100)));
        assert!(Rival::default().is_free(&Lease::default(), "a", at(100)));
    }

    #[test]
    fn a_lease_that_is_said_to_last_for_years_does_not() {
        let mut rival = Rival::default();
        let mut lease = held("1", "b");
        lease.spec.as_mut().unwrap().lease_duration_seconds = Some(i32::MAX);
        assert!(!rival.is_free(&lease, "a", at(0)));
        assert!(rival.is_free(&lease, "a", at(600)));
    }

    #[test]
    fn a_renewal_keeps_the_time_of_acquisition() {
        let first = claim(&Lease::default(), "a", Wall(1_000));
        let renewed = claim(&first, "a", Wall(9_000)).spec.unwrap();
        assert_eq!(renewed.acquire_time, first.spec.unwrap().acquire_time);
        assert_eq!(renewed.lease_transitions, Some(1));
        let taken = claim(
            &Lease {
                spec: Some(renewed),
                ..Lease::default()
            },
            "b",
            Wall(10_000),
        );
        assert_eq!(taken.spec.unwrap().lease_transitions, Some(2));
    }

    fn held(version: &str, holder: &str) -> Lease {
        let mut lease = claim(&Lease::default(), holder, Wall(1_700_000_000_000));
        lease.metadata.resource_version = Some(version.to_owned());
        lease
    }

    fn at(seconds: u64) -> Mono {
        Mono(seconds * 1_000)
    }
}
