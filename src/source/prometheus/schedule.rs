//! The schedule: when a query runs next.

use std::time::Duration;

use twox_hash::XxHash3_64;

use crate::wire::query::Query;

/// How long it is from a moment, in milliseconds since the Unix epoch, until a query runs next: at multiples of its
/// interval by the wall clock, moved by what its name hashes to. So the queries of one start are spread over the
/// interval, and all replicas ask at the same moment.
pub(super) fn until_next(query: &Query, now: i64) -> Duration {
    let interval = i64::try_from(query.interval).unwrap_or(i64::MAX).max(1);
    let phase = phase(query) % query.interval.max(1);
    let phase = i64::try_from(phase).unwrap_or(0);
    let since = now.saturating_sub(phase).rem_euclid(interval);
    Duration::from_millis(u64::try_from(interval - since).unwrap_or(1))
}

fn phase(query: &Query) -> u64 {
    let name = format!("{}/{}", query.name.contract, query.name.key);
    XxHash3_64::oneshot(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::source::prometheus::tests::query;

    #[test]
    fn a_query_runs_at_the_same_moments_whenever_it_was_started() {
        let query = query("error-rate", "up");
        let next = |now: i64| now + i64::try_from(until_next(&query, now).as_millis()).unwrap();
        let first = next(1_800_000_000_000);
        for later in [first, first + 1, first + 14_999] {
            assert_eq!(next(later), first + 15_000, "{later}");
        }
        assert_eq!(next(first - 1), first);
    }

    #[test]
    fn queries_are_spread_over_the_interval() {
        let seconds = (0..100).map(|number| {
            let query = query(&format!("key-{number}"), "up");
            until_next(&query, 1_800_000_000_000).as_secs()
        });
        let seconds: BTreeSet<u64> = seconds.collect();
        assert_eq!(seconds, (0..15).collect());
    }
}
