//! A notice: what the manager of kinds is told by the watches of contracts and CRDs.

use crate::source::kube::crd::SlimCrd;
use crate::source::kube::watch::WatchUpdate;
use crate::wire::event::Event;

/// An update from the watches of contracts and CRDs.
pub(super) enum Notice {
    /// An event of the contracts' feed.
    Contract(Event),
    /// An update of the CRDs' watch; most CRDs have no contract.
    Crd(WatchUpdate<SlimCrd>),
}
