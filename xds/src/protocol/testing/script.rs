//! Scripts: random sequences of what clients and publishers may do, for both protocol variants.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::collection::{btree_set, vec};
use proptest::prelude::{Just, Strategy, any, prop_oneof};

use super::{failing, resource};
use crate::name;
use crate::snapshot::Absent;
use crate::store::{Store, Update};
use crate::type_url::TypeUrl;

/// Few names, so that things meet; some of them in a folder, with and without parameters.
const NAMES: [&str; 5] = [
    "a",
    "b",
    "xdstp://x/t/f/c",
    "xdstp://x/t/f/d",
    "xdstp://x/t/f/e?p=1",
];

/// What covers many names: everything, and the folder's globs (rule 39).
const MANY: [&str; 3] = ["*", "xdstp://x/t/f/*", "xdstp://x/t/f/*?p=1"];

/// One step.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Publish(Vec<(&'static str, Option<u8>)>),
    Fail(&'static str, u8),
    Absent(Rule),
    Withhold(&'static str),
    Release(&'static str),
    /// Names to subscribe to and to unsubscribe from; `*` may be among them.
    Ask(BTreeSet<&'static str>, BTreeSet<&'static str>),
    /// The client reads one response.
    Read,
    /// The client answers the oldest response that it has read: yes or no.
    Answer(bool),
    Reconnect,
}

/// The absent rules, in a form that can be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Missing,
    Default,
    Withheld,
}

pub(crate) fn script() -> impl Strategy<Value = Vec<Step>> {
    vec(step(), 1..60)
}

fn step() -> impl Strategy<Value = Step> {
    let name = || (0..NAMES.len()).prop_map(|index| NAMES[index]);
    let change = (
        name(),
        prop_oneof![1 => Just(None), 3 => (0..3_u8).prop_map(Some)],
    );
    let asked = || {
        prop_oneof![
            6 => name(),
            2 => (0..MANY.len()).prop_map(|index| MANY[index])
        ]
    };
    let rule = prop_oneof![
        Just(Rule::Missing),
        Just(Rule::Default),
        Just(Rule::Withheld)
    ];
    prop_oneof![
        6 => vec(change, 1..4).prop_map(Step::Publish),
        1 => (name(), 0..2_u8).prop_map(|(name, message)| Step::Fail(name, message)),
        1 => rule.prop_map(Step::Absent),
        1 => name().prop_map(Step::Withhold),
        1 => name().prop_map(Step::Release),
        4 => (btree_set(asked(), 0..3), btree_set(asked(), 0..2)).prop_map(|(yes, no)| Step::Ask(yes, no)),
        6 => Just(Step::Read),
        6 => any::<bool>().prop_map(Step::Answer),
        1 => Just(Step::Reconnect),
    ]
}

/// Whether one of the globs among `names` has the member `name`.
pub(crate) fn in_globs(names: &BTreeSet<Arc<str>>, name: &str) -> bool {
    name::glob_of(name).is_some_and(|glob| names.contains(glob.as_str()))
}

/// Carries out a step of the publisher's; false if it is one of the client's.
pub(crate) fn publish(store: &Store, type_url: &TypeUrl, step: &Step) -> bool {
    let update = match step {
        Step::Publish(changes) => changes
            .iter()
            .fold(Update::new(), |update, (name, content)| match content {
                Some(content) => update.put(resource(type_url, name, &content.to_string())),
                None => update.remove(type_url.clone(), name),
            }),
        Step::Fail(name, message) => failing(type_url, name, &message.to_string()),
        Step::Absent(rule) => Update::new().absent(type_url.clone(), absent(*rule, type_url)),
        Step::Withhold(name) => Update::new().withhold(type_url.clone(), name),
        Step::Release(name) => Update::new().release(type_url.clone(), name),
        _ => return false,
    };
    store.publish(update);
    true
}

/// Ends all withholding, so that everything must come to rest.
pub(crate) fn reveal(store: &Store, type_url: &TypeUrl, rule: Rule) {
    let update = Update::new().absent(type_url.clone(), absent(rule, type_url));
    store.publish(NAMES.iter().fold(update, |update, name| {
        update.release(type_url.clone(), name)
    }));
}

fn absent(rule: Rule, type_url: &TypeUrl) -> Absent {
    let type_url = type_url.clone();
    match rule {
        Rule::Missing => Absent::Missing,
        Rule::Default => Absent::default_to(move |name| Some(resource(&type_url, name, "default"))),
        Rule::Withheld => Absent::Withheld,
    }
}
