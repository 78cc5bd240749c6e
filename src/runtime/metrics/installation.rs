//! The installation: which version runs, and which part of it this replica is.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::runtime::metrics::{Families, ShardLabel};
use crate::runtime::shard::Shard;

impl Families {
    /// Says which shard this replica is of.
    pub fn note_shard(&self, shard: Shard) {
        let label = ShardLabel {
            shard: shard.number(),
        };
        self.shards.get_or_create(&label).set(shard.total().into());
    }

    pub(super) fn register_installation(&self, registry: &mut Registry) {
        let build = Family::<Vec<(&'static str, &'static str)>, Gauge>::default();
        build
            .get_or_create(&vec![("version", env!("CARGO_PKG_VERSION"))])
            .set(1);
        registry.register("build_info", "The version that runs", build);
        registry.register(
            "shards",
            "How many shards there are, by the number of this replica's",
            self.shards.clone(),
        );
    }
}
