//! Publishing: turns a publication of the engine into an update of the xDS store.

use std::sync::Arc;

use fusegate_xds::bisect::Bisect;
use fusegate_xds::protocol::Limits;
use fusegate_xds::snapshot::Collection;
use fusegate_xds::{Absent, Config, Store, TypeUrl, Update, Version, runtime};

use crate::engine::output::Publication;
use crate::policy::layer::LayerName;
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

/// Publishes all changes as one update; false if there were none.
pub(super) fn publish(store: &Store, publication: Publication) -> bool {
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
        update = update.absent(TypeUrl::RUNTIME, Absent::default_to(empty));
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
fn empty(name: &str) -> Option<fusegate_xds::Resource> {
    LayerName::try_new(name)
        .ok()
        .map(|_| translate::empty(name))
}
