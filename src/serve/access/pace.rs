//! The pace: how often each caller may ask, as a bucket of requests that fills by the second.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::Mutex;

use crate::breaker::time::Mono;
use crate::runtime::metrics::{Bound, Metrics};

/// The most callers that are told apart. Past it new ones share one bucket, until others have not asked for a while.
pub const MOST_CALLERS: usize = 4_096;

/// For how many seconds' worth a caller may ask at once after a pause.
const BURST_SECONDS: u64 = 5;

/// How often each address may ask; clones share it.
#[derive(Clone, Debug)]
pub struct Pace {
    per_second: u64,
    buckets: Arc<Mutex<HashMap<Option<IpAddr>, Bucket>>>,
    size: Gauge,
    full: Counter,
}

/// What is left to one caller, in thousandths of a request.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: u64,
    at: Mono,
}

impl Pace {
    /// So many requests a second from one address; without a limit where that is zero.
    #[must_use]
    pub fn new(per_second: u32, metrics: &Metrics) -> Self {
        Self {
            per_second: per_second.into(),
            buckets: Arc::default(),
            size: metrics.bound_size(Bound::HttpCallers),
            full: metrics.bound(Bound::HttpCallers),
        }
    }

    /// How many requests a second.
    pub(super) fn per_second(&self) -> u64 {
        self.per_second
    }

    /// Whether an address may ask now. This machine always may: it is where a proxy of the same pod hands on what
    /// others ask.
    pub(super) async fn admit(&self, peer: IpAddr, now: Mono) -> bool {
        let peer = peer.to_canonical();
        if self.per_second == 0 || peer.is_loopback() {
            return true;
        }
        let most = self.per_second * BURST_SECONDS * 1_000;
        let filled = |bucket: &Bucket| {
            let gained = now.since(bucket.at).0.saturating_mul(self.per_second);
            bucket.left.saturating_add(gained).min(most)
        };
        let mut buckets = self.buckets.lock().await;
        let mut caller = Some(network(peer));
        if !buckets.contains_key(&caller) && buckets.len() >= MOST_CALLERS {
            buckets.retain(|_, bucket| filled(bucket) < most);
            if buckets.len() >= MOST_CALLERS {
                self.full.inc();
                caller = None;
            }
        }
        let full = Bucket {
            left: most,
            at: now,
        };
        let bucket = buckets.entry(caller).or_insert(full);
        let left = filled(bucket);
        let admitted = left >= 1_000;
        *bucket = Bucket {
            left: if admitted { left - 1_000 } else { left },
            at: now,
        };
        self.size
            .set(i64::try_from(buckets.len()).unwrap_or(i64::MAX));
        admitted
    }
}

/// What one host has: an IPv4 address, or 64 bits of an IPv6 one.
fn network(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => {
            let bits = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(bits.into())
        }
    }
}
