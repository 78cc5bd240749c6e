//! The plan: of which types refused changes are bisected, and how far that may go.

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;
use std::time::Duration;

use super::cut::Cut;
use crate::type_url::TypeUrl;

/// Of which types refused changes are bisected, and how far that may go.
///
/// Without it, what a client refuses is parked whole: the good with the bad.
#[derive(Clone)]
pub struct Bisect {
    types: BTreeMap<TypeUrl, Option<Arc<dyn Cut>>>,
    /// How many offers one search may take; past this, what is still open stays parked whole.
    pub offers: u32,
    /// How long one search may take, from its first offer; past this, what is still open stays parked whole.
    pub time: Duration,
}

impl Bisect {
    /// Nothing is bisected.
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Bisects among the resources of `type_url` that were refused together.
    #[must_use]
    pub fn resources(mut self, type_url: TypeUrl) -> Self {
        self.types.entry(type_url).or_default();
        self
    }

    /// Bisects among the resources of `type_url`, and then within a bad one, by its parts.
    #[must_use]
    pub fn parts(mut self, type_url: TypeUrl, cut: impl Cut) -> Self {
        self.types.insert(type_url, Some(Arc::new(cut)));
        self
    }

    pub(crate) fn covers(&self, type_url: &TypeUrl) -> bool {
        self.types.contains_key(type_url)
    }

    pub(crate) fn cut(&self, type_url: &TypeUrl) -> Option<&Arc<dyn Cut>> {
        self.types.get(type_url)?.as_ref()
    }
}

impl Default for Bisect {
    fn default() -> Self {
        Self {
            types: BTreeMap::new(),
            // Some eight culprits among a hundred changes.
            offers: 64,
            // An Envoy answers within milliseconds; one that takes longer than this is not to be bothered on and on.
            time: Duration::from_mins(1),
        }
    }
}

impl Debug for Bisect {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.types.keys()).finish()
    }
}
