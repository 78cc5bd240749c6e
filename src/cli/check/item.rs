//! An item: one identified document, and the contract that it may be.

use crate::cli::check::input::Document;
use crate::condition::contract::Contract;
use crate::policy::allowance::Allowance;
use crate::source::dir::entry::Entry;
use crate::wire::event::GroupKind;

/// An identified document.
pub(super) struct Item<'a> {
    pub(super) document: &'a Document,
    pub(super) entry: Entry,
}

/// A contract without problems, by which objects and policies are checked.
pub(super) struct Usable {
    pub(super) kind: GroupKind,
    pub(super) contract: Contract,
    pub(super) allowance: Allowance,
}
