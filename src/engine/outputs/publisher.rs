//! The publisher: every layer's contributions, and which layers are ready, published or withheld.

use std::collections::{BTreeMap, BTreeSet};

use crate::policy::contribution::Owner;
use crate::policy::layer::LayerName;
use crate::policy::layers::{Layers, Warning};
use crate::wire::event::Programmed;

#[derive(Debug, Default)]
pub(crate) struct Publisher {
    pub(crate) layers: Layers,
    pub(crate) warnings: BTreeMap<LayerName, Vec<(Owner, Warning)>>,
    /// Layers that have had their first full sync. Once ready they stay so: what is
    /// published must not be taken back because something else went missing.
    pub(crate) ready: BTreeSet<LayerName>,
    pub(crate) published: BTreeSet<LayerName>,
    pub(crate) withheld: BTreeSet<LayerName>,
    /// How far each layer has reached the proxies, as they last said.
    pub(crate) programmed: BTreeMap<LayerName, Programmed>,
    pub(crate) open: bool,
}
