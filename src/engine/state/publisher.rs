//! The publisher: every layer's contributions, and which layers are ready, published or withheld.

use std::collections::{BTreeMap, BTreeSet};

use crate::policy::layer::LayerName;
use crate::policy::layers::{Contributor, Layers, Warning};

#[derive(Debug, Default)]
pub(crate) struct Publisher {
    pub(crate) layers: Layers,
    pub(crate) view_changed: bool,
    pub(crate) warnings: BTreeMap<LayerName, Vec<(Contributor, Warning)>>,
    pub(crate) ready: BTreeSet<LayerName>,
    pub(crate) published: BTreeSet<LayerName>,
    pub(crate) withheld: BTreeSet<LayerName>,
    pub(crate) touched: BTreeSet<LayerName>,
    pub(crate) unsettled: bool,
    pub(crate) open: bool,
}

impl Publisher {
    /// Whether a layer has had its first full sync. Once ready it stays so: what is
    /// published must not be taken back because something else went missing.
    pub(crate) fn is_ready(&self, layer: &LayerName) -> bool {
        self.ready.contains(layer)
    }

    pub(crate) fn touch(&mut self, layers: impl IntoIterator<Item = LayerName>) {
        self.touched.extend(layers);
    }

    /// Something that a layer's readiness depends on has changed.
    pub(crate) fn recheck(&mut self) {
        self.unsettled = true;
    }
}
