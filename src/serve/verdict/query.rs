//! A query: what a gate is asked, and what can be wrong with it.

use std::sync::Arc;

use crate::breaker::time::Wall;
use crate::runtime::shard::Shard;
use crate::serve::selector::Selector;

/// What is asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<'a> {
    /// The policy's namespace.
    pub namespace: &'a str,
    /// The policy's name.
    pub policy: &'a str,
    /// Objects by name; all of the policy's objects, when empty.
    pub objects: &'a [&'a str],
    /// Objects by label.
    pub selector: Option<&'a Selector>,
    /// The condition whose value is reported; the most telling one, when absent.
    /// The state remains the circuit's, which has one for all its conditions.
    pub condition: Option<&'a str>,
    /// A trip after this moment refuses, however Closed its circuit is by now.
    pub since: Option<Wall>,
}

/// What is wrong with a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// This shard does not judge the policy's namespace, but that one does.
    Shard(Shard, Shard),
    /// There is no such policy; one with a name like that.
    Policy(Option<Arc<str>>),
    /// There is no circuit of an object with this name; one with a name like that.
    Object(Box<str>, Option<Arc<str>>),
    /// No rule judges the condition asked for; one that is judged and has a name like that.
    Rule(Option<Arc<str>>),
}
