//! What is answered: the content of one SotW response, before it is one.

use crate::protocol::{Demand, Outgoing, Response, Selection, SendContext};
use crate::resource::Resource;
use crate::version::Version;

/// What a response holds.
pub(super) struct Answered {
    pub(super) selection: Selection,
    pub(super) changed: Vec<Resource>,
    pub(super) probe: bool,
    /// The version of the type; that of what is published if `None`.
    pub(super) version: Option<Version>,
}

impl Answered {
    /// The same as this response.
    pub(super) fn again(response: &Response) -> Self {
        let selection = Selection {
            resources: response.resources.clone(),
            ..Selection::default()
        };
        Self {
            version: Some(response.version),
            ..Self::part(selection, false)
        }
    }

    /// Of a type whose responses need not be complete.
    pub(super) fn part(selection: Selection, probe: bool) -> Self {
        let changed = Outgoing::with_references(&selection.resources);
        Self {
            selection,
            changed,
            probe,
            version: None,
        }
    }
}

/// Whether a response that can't remove anything says anything by it.
pub(super) fn says_something(selection: &Selection) -> bool {
    !selection.resources.is_empty() || !selection.failed.is_empty() || selection.owed
}

/// Only a response that must be complete removes anything; of routes it is noted how long the client may still go by them,
/// because what they lead to is removed after that.
pub(super) fn demand<'a>(context: &SendContext<'a>, budget: usize) -> Demand<'a> {
    let mut demand = context.demand(budget);
    demand.hold_removals &= context.view().is_full_state() || context.type_url.is_routing();
    demand
}
