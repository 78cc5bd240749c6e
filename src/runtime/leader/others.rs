//! The others: leaders that divide the namespaces otherwise, beside whom nobody may lead.
//!
//! While an installation goes from one number of shards to another, shards of both run, and the same namespace belongs
//! to one of each. The lease of a shard has its number and their total in its name, so whoever wants to lead sees those
//! of another total, and waits until nobody holds any of them. It looks once before it takes its own lease, and once
//! after: of two that take theirs at the same moment, at least one sees the other's, and gives its own back.

use std::collections::BTreeMap;

use k8s_openapi::api::coordination::v1::Lease;

use crate::breaker::time::Mono;
use crate::runtime::leader::record::{Rival, holder};
use crate::runtime::shard::Shard;

/// The name of every lease, up to its shard.
const NAME: &str = "fusegate";

/// The leases of other totals that were seen.
#[derive(Debug, Default)]
pub(super) struct Others {
    rivals: BTreeMap<String, Rival>,
}

impl Others {
    /// A lease of another total that is held, and by whom. All are looked at, so that what stands still runs out.
    pub(super) fn held(
        &mut self,
        leases: &[Lease],
        (shard, identity): (Shard, &str),
        now: Mono,
    ) -> Option<(String, String)> {
        let others = leases.iter().filter_map(|lease| {
            let name = lease.metadata.name.as_deref()?;
            let total = shard_of(name)?.total();
            (total != shard.total()).then_some((name, lease))
        });
        let others: BTreeMap<&str, &Lease> = others.collect();
        self.rivals
            .retain(|name, _| others.contains_key(name.as_str()));
        let mut held = None;
        for (name, lease) in others {
            let rival = self.rivals.entry(name.to_owned()).or_default();
            if !rival.is_free(lease, identity, now) {
                held = Some((name.to_owned(), holder(lease).to_owned()));
            }
        }
        held
    }
}

/// The name of a shard's lease.
pub(crate) fn name(shard: Shard) -> String {
    if shard.is_whole() {
        return NAME.to_owned();
    }
    format!("{NAME}-{}-of-{}", shard.number(), shard.total())
}

/// The shard whose lease has this name.
pub(crate) fn shard_of(lease: &str) -> Option<Shard> {
    let rest = lease.strip_prefix(NAME)?;
    if rest.is_empty() {
        return Some(Shard::WHOLE);
    }
    let (number, total) = rest.strip_prefix('-')?.split_once("-of-")?;
    format!("{number}/{total}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breaker::time::Wall;
    use crate::runtime::leader::record::{claim, release};

    #[test]
    fn a_lease_is_named_after_its_shard() {
        for (text, lease) in [("1/1", "fusegate"), ("2/3", "fusegate-2-of-3")] {
            let shard = text.parse().unwrap();
            assert_eq!(name(shard), lease);
            assert_eq!(shard_of(lease), Some(shard));
        }
        for foreign in ["fusegates", "fusegate-", "fusegate-4-of-3", "other"] {
            assert_eq!(shard_of(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn whoever_divides_otherwise_is_waited_for_until_its_lease_runs_out() {
        let mut others = Others::default();
        let mine = ("2/3".parse().unwrap(), "mine");
        let leases = [held("fusegate-1-of-3", "1"), held("fusegate-1-of-2", "1")];
        let barred = Some(("fusegate-1-of-2".to_owned(), "theirs".to_owned()));
        assert_eq!(others.held(&leases, mine, at(100)), barred);
        assert_eq!(others.held(&leases, mine, at(114)), barred);
        assert_eq!(others.held(&leases, mine, at(115)), None);
        let renewed = [held("fusegate-1-of-2", "2")];
        assert_eq!(others.held(&renewed, mine, at(116)), barred);
    }

    #[test]
    fn a_lease_that_was_given_back_bars_nobody() {
        let leases = [release(&held("fusegate", "1")), held("another", "1")];
        let mine = ("1/2".parse().unwrap(), "mine");
        assert_eq!(Others::default().held(&leases, mine, at(100)), None);
    }

    fn held(name: &str, version: &str) -> Lease {
        let mut lease = claim(&Lease::default(), "theirs", Wall(1_700_000_000_000));
        lease.metadata.name = Some(name.to_owned());
        lease.metadata.resource_version = Some(version.to_owned());
        lease
    }

    fn at(seconds: u64) -> Mono {
        Mono(seconds * 1_000)
    }
}
