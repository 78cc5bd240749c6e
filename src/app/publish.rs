//! Publishing: turns a publication of the engine into an update of the xDS store.

use std::sync::Arc;

use fusegate_xds::bisect::Bisect;
use fusegate_xds::protocol::Limits;
use fusegate_xds::snapshot::{Answer, Collection};
use fusegate_xds::{Absent, Config, Store, TypeUrl, Update, Version, runtime};

use crate::engine::output::Publication;
use crate::policy::layer::LayerName;
use crate::runtime::shard::Share;
use crate::translate;

/// A store that withholds everything: a proxy that reconnects before the first sync keeps its layers.
pub(super) fn store() -> Store {
    let store = Store::new();
    store.publish(Update::new().absent(TypeUrl::RUNTIME, Absent::Withheld));
    store
}

/// How layers are served: a key that a proxy refuses is found and left out, for that proxy only.
/// A proxy subscribes to a handful of layers, so the limits are far below those of the library.
pub(super) fn config() -> Config {
    let bisect = Bisect::nothing().parts(TypeUrl::RUNTIME, runtime::keys());
    Config {
        bisect: Arc::new(bisect),
        limits: Limits {
            names: 4_096,
            types: 16,
            name_bytes: 512,
            ..Limits::default()
        },
        max_request_bytes: 2 << 20,
        ..Config::default()
    }
}

/// Publishes all changes as one update; false if there were none. Layers of namespaces outside of the share are withheld: an
/// Envoy that asks at the wrong shard keeps what it has.
pub(super) fn publish(store: &Store, share: &Share, publication: Publication) -> bool {
    let mut update = Update::new();
    let mut news = publication.open;
    for name in &publication.withhold {
        update = update.withhold(TypeUrl::RUNTIME, name.as_str());
        news = true;
    }
    for name in &publication.release {
        update = update.release(TypeUrl::RUNTIME, name.as_str());
        news = true;
    }
    for name in &publication.remove {
        update = update.remove(TypeUrl::RUNTIME, name.as_str());
        news = true;
    }
    for resource in publication.put {
        update = update.put(resource);
        news = true;
    }
    if publication.open {
        let share = share.clone();
        let absent = Absent::answering(move |name| absent(&share, name));
        update = update.absent(TypeUrl::RUNTIME, absent);
    }
    if news {
        store.publish(update);
    }
    news
}

/// The version of all layers.
pub(super) fn version(store: &Store) -> Version {
    let snapshot = store.snapshot();
    let layers = snapshot.collection(&TypeUrl::RUNTIME);
    layers.map(Collection::version).unwrap_or_default()
}

/// The empty layer of a valid layer name.
fn absent(share: &Share, name: &str) -> Answer {
    match LayerName::try_new(name) {
        Err(_) => Answer::Missing,
        Ok(layer) if share.has(layer.namespace()) => Answer::Resource(translate::empty(name)),
        Ok(_) => Answer::Withheld,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_that_is_another_shards_is_not_answered() {
        let told = |shard: &str, name| {
            let share = Share::new(shard.parse().unwrap(), "shop");
            absent(&share, name)
        };
        assert!(matches!(told("1/2", "shop.canary"), Answer::Resource(_)));
        assert_eq!(told("2/2", "shop.canary"), Answer::Withheld);
        assert_eq!(told("2/2", "no layer"), Answer::Missing);
        assert!(matches!(told("1/1", "bank"), Answer::Resource(_)));
    }
}
