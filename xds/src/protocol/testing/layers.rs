//! Three runtime layers of two keys, for clients that judge all layers together.

use std::collections::{BTreeMap, BTreeSet};

use crate::resource::Resource;
use crate::runtime::{self, RuntimeValue};
use crate::store::{Store, Update};

pub(crate) const LAYERS: [&str; 3] = ["a", "b", "c"];

/// The keys of a layer.
pub(crate) type Keys = BTreeMap<&'static str, String>;

/// Layers by name.
pub(crate) type Layers = BTreeMap<&'static str, Keys>;

/// All layers with the keys `x` and `y` at `value`, `x` of `bad` excepted.
pub(crate) fn layers(value: &str, bad: Option<&str>) -> Layers {
    let keys = |name: &str| {
        let x = if bad == Some(name) { "bad" } else { value };
        [("x", x.to_owned()), ("y", value.to_owned())].into()
    };
    LAYERS.map(|name| (name, keys(name))).into()
}

/// Changes the layer at `place` to what its two keys are to say in this round, and notes which of them is bad.
pub(crate) fn change(
    all: &mut Layers,
    bad: &mut BTreeSet<(String, String)>,
    (place, x, y): (usize, &str, &str),
    round: usize,
) {
    let name = LAYERS[place];
    let keys = [("x", x), ("y", y)].map(|(key, what)| {
        if what == "bad" {
            bad.insert((name.to_owned(), key.to_owned()));
        }
        (key, format!("{what} {round}"))
    });
    all.insert(name, keys.into());
}

pub(crate) fn layer((name, keys): (&&'static str, &Keys)) -> Resource {
    let text = |text: &String| RuntimeValue::Text(text.clone());
    runtime::layer(name, keys.iter().map(|(key, value)| (*key, text(value))))
}

pub(crate) fn publish(store: &Store, layers: &Layers) {
    store.publish(layers.iter().map(layer).fold(Update::new(), Update::put));
}
