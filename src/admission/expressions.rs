//! Expressions: what a policy asks of the objects of a contracted kind.

use fusegate_crds::UnknownKeys;

use crate::admission::path::{self, Variables, names};
use crate::admission::untranslatable::Untranslatable;
use crate::admission::value::{self, Judgment};
use crate::admission::{cel, evident, message};
use crate::condition::contract::{Condition, Contract, Source};
use crate::condition::kind::Kind;

/// The most items of a list, or entries of a map whose keys are free, that an expression goes through.
///
/// A call may cost 1,000,000, and going through so many items for each of 64 keys costs about a tenth of that.
/// What is longer passes: no limit of the contract holds strangers back there.
const MOST_ITEMS: usize = 256;

/// The most entries of a map whose strangers are looked at: each costs no more than about 80.
const MOST_ENTRIES: usize = 4_096;

/// The longest key that an expression repeats as often as it reads the value: a policy of 64 such keys has to fit into etcd.
const MOST_REPEATED: usize = 63;

/// What an object of the kind is, and null for everything else.
pub(super) const SUBJECT: &str = "variables.subject";

/// The variable that says whether entries stand in a map.
const IS_MAP: &str = "is_map";

/// One expression that must hold, and what is said where it doesn't.
#[derive(Debug)]
pub(super) struct Validation {
    pub(super) expression: String,
    pub(super) message: String,
}

/// What a policy asks of the objects of a kind.
#[derive(Debug)]
pub(super) struct Expressions<'c> {
    contract: &'c Contract,
    pub(super) variables: Variables,
    pub(super) validations: Vec<Validation>,
    pub(super) untranslatable: Vec<Untranslatable>,
    /// The subtrees that are judged.
    guarded: Vec<Vec<&'c str>>,
}

impl<'c> Expressions<'c> {
    /// The expressions of a contract.
    pub(super) fn new(contract: &'c Contract, subject: String) -> Self {
        let mut variables = Variables::default();
        variables.add("subject".to_owned(), subject);
        let mut expressions = Self {
            contract,
            variables,
            validations: Vec::new(),
            untranslatable: Vec::new(),
            guarded: Vec::new(),
        };
        if contract.reads_entries() {
            expressions.entries();
        }
        for (index, condition) in contract.conditions().iter().enumerate() {
            expressions.condition(index, condition);
        }
        expressions
    }

    /// Whether a write is to be judged: what is judged has changed, and is not evidently legal, as far as so many characters tell that.
    pub(super) fn doubtful(&self, most: usize) -> String {
        let changed = format!("oldObject == null || {}", self.changed());
        match evident::evident(self.contract, most) {
            Some(evident) => format!("!({evident}) && ({changed})"),
            None => changed,
        }
    }

    /// Whether anything that is judged differs between two objects; `false` where nothing is judged.
    fn changed(&self) -> String {
        let outermost = self.guarded.iter().filter(|path| {
            let mut others = self.guarded.iter();
            !others.any(|other| other.len() < path.len() && path.starts_with(other))
        });
        let mut changes: Vec<String> = outermost
            .map(|path| {
                let path = || path.iter().copied();
                format!(
                    "{} != {}",
                    path::inline("object", path()),
                    path::inline("oldObject", path())
                )
            })
            .collect();
        changes.sort_unstable();
        changes.dedup();
        if changes.is_empty() {
            return "false".to_owned();
        }
        changes.join(" || ")
    }

    fn validate(&mut self, expression: String, message: String) {
        self.validations.push(Validation {
            expression,
            message,
        });
    }

    /// The shape of what stands at the path, how many entries it has, and their keys.
    fn entries(&mut self) {
        let contract = self.contract;
        let names: Vec<&str> = names(contract.path()).collect();
        let at = self.variables.field(SUBJECT, names.iter().copied());
        let mut shapes = Vec::new();
        for length in 1..names.len() {
            let names = names.iter().take(length).copied();
            let step = self.variables.field(SUBJECT, names);
            shapes.push(format!("({step} == null || type({step}) == map)"));
        }
        shapes.push(format!(
            "({at} == null || type({at}) == map || type({at}) == list)"
        ));
        self.guarded.push(names);
        let is_map = format!("type({at}) == map");
        self.variables.add(IS_MAP.to_owned(), is_map);
        self.validate(shapes.join(" && "), message::malformed(contract));
        self.map_keys(&at);
        self.list_keys(&at);
    }

    fn map_keys(&mut self, at: &str) {
        let contract = self.contract;
        let most = contract.limits().max_entries;
        let declared = declared(contract);
        // Fields that lead to conditions of their own are no entries.
        let fields = contract.fields_of(contract.path());
        let room = u64::from(most) + fields.len() as u64;
        let known = cel::strings(declared.iter().copied().chain(fields));
        if contract.rejects_unknown_keys(UnknownKeys::Ignore) {
            self.validate(
                format!("!variables.{IS_MAP} || size({at}) <= {room}"),
                message::too_many(contract),
            );
            self.validate(
                format!("!variables.{IS_MAP} || size({at}) > {room} || {at}.all(k, k in {known})"),
                message::unknown_key(contract),
            );
        } else if contract.rejects_unknown_keys(UnknownKeys::Reject) {
            // Standard conditions of others are passed over, and not counted.
            let stranger = format!(
                "type({at}[k]) == map && 'status' in {at}[k] && {at}[k]['status'] != null \
                 && !('value' in {at}[k] && {at}[k]['value'] != null)"
            );
            self.validate(
                format!(
                    "!variables.{IS_MAP} || size({at}) > {MOST_ENTRIES} || {at}.all(k, k in {known} || ({stranger}))"
                ),
                message::unknown_key(contract),
            );
        }
        if declared.len() as u64 > u64::from(most) {
            let declared = cel::strings(declared);
            self.validate(
                format!("!variables.{IS_MAP} || {declared}.filter(k, k in {at}).size() <= {most}"),
                message::too_many(contract),
            );
        }
    }

    fn list_keys(&mut self, at: &str) {
        let contract = self.contract;
        if !contract.rejects_unknown_keys(UnknownKeys::Ignore) {
            return;
        }
        let most = contract.limits().max_entries;
        let known = cel::strings(declared(contract));
        self.validate(
            format!("variables.{IS_MAP} || type({at}) != list || size({at}) <= {most}"),
            message::too_many(contract),
        );
        self.validate(
            format!(
                "variables.{IS_MAP} || type({at}) != list || size({at}) > {most} || {at}.all(e, type(e) == map && 'type' in e && e['type'] in {known})"
            ),
            message::unknown_key(contract),
        );
    }

    fn condition(&mut self, index: usize, condition: &'c Condition) {
        if condition.kind == Kind::Presence {
            return;
        }
        let values = match condition.source() {
            Source::Entry => Some(self.entry(index, condition)),
            Source::Path(path) => self.place(index, path, condition.is_several()),
            // No update contains it.
            Source::Query(_) => return,
            Source::Computed => {
                let key = condition.key.as_ref().into();
                self.untranslatable.push(Untranslatable::Computed { key });
                return;
            }
        };
        let Some(values) = values else {
            return;
        };
        let judgment = self.judgment("v", &condition.kind);
        let key = || condition.key.as_ref().into();
        if let Some(spellings) = judgment.escapes {
            self.untranslatable.push(Untranslatable::Bounds {
                key: key(),
                spellings,
            });
        }
        if judgment.is_cut {
            self.untranslatable
                .push(Untranslatable::Long { key: key() });
        }
        let expression = judgment.expression;
        let message = message::value(self.contract, condition);
        // Of two items of one type the one that changed last is judged, so that one of them must be legal.
        let judged = if condition.is_several() {
            format!("{values}.all(v, {expression})")
        } else {
            format!("size({values}) == 0 || {values}.exists(v, {expression})")
        };
        let judged = match self.bare(condition) {
            Some(bare) => format!("{bare} || {judged}"),
            None => judged,
        };
        self.validate(judged, message);
    }

    fn judgment(&self, value: &str, kind: &Kind) -> Judgment {
        value::judgment(value, kind, self.contract.limits().max_value_bytes)
    }

    /// Whether a map has no entry of a key, or one that is legal as it stands there.
    ///
    /// Most entries are, and this costs the API server less than to make a list of values and to go through it.
    /// A long key would be repeated too often.
    fn bare(&mut self, condition: &Condition) -> Option<String> {
        if *condition.source() != Source::Entry || condition.key.len() > MOST_REPEATED {
            return None;
        }
        let at = self.variables.field(SUBJECT, names(self.contract.path()));
        let key = cel::quote(&condition.key);
        let Judgment { expression, .. } = self.judgment(&format!("{at}[{key}]"), &condition.kind);
        Some(format!(
            "(variables.{IS_MAP} && (!({key} in {at}) || ({expression})))"
        ))
    }

    /// The values of the entry of a key, of which a list may have several.
    fn entry(&mut self, index: usize, condition: &Condition) -> String {
        let at = self.variables.field(SUBJECT, names(self.contract.path()));
        let key = cel::quote(&condition.key);
        let judged = self.judged();
        let values = format!(
            "(type({at}) == map ? ({key} in {at} ? [{at}[{key}]] : []) : type({at}) == list && size({at}) <= {MOST_ITEMS} \
             ? {at}.filter(e, type(e) == map && 'type' in e && e['type'] == {key}) : []).map(e, {judged})"
        );
        self.variables.add(format!("values{index}"), values)
    }

    /// The values at a path of their own, none where it leads nowhere.
    fn place(&mut self, index: usize, path: &'c str, several: bool) -> Option<String> {
        let (before, behind) = match path.split_once(".*") {
            Some((before, behind)) if several => (before, behind),
            _ => (path, ""),
        };
        if several && before == self.contract.path() && self.contract.reads_entries() {
            // Entries come first, so that nothing is read there.
            return None;
        }
        self.guarded.push(names(before).collect());
        let at = self.variables.field(SUBJECT, names(before));
        let behind: Vec<&str> = names(behind).collect();
        let judged = self.judged();
        let values = if several {
            let fields = cel::strings(self.contract.fields_of(before));
            format!(
                "(type({at}) == map && size({at}) <= {MOST_ITEMS} ? {at}.filter(k, !(k in {fields})).map(k, {at}[k]) \
                 : type({at}) == list && size({at}) <= {MOST_ITEMS} ? {at}.filter(e, true) : [])\
                 .map(e, {}).filter(e, e != null).map(e, {judged})",
                path::inline("e", behind.iter().copied()),
            )
        } else {
            format!("({at} == null ? [] : [{at}]).map(e, {judged})")
        };
        let values = self.variables.add(format!("values{index}"), values);
        if several {
            let most = self.contract.limits().max_entries;
            self.validate(
                format!("size({values}) <= {most}"),
                message::too_many(self.contract),
            );
        }
        Some(values)
    }

    /// What is judged of an entry `e`: itself, or the value or status of an object; null where an object has neither.
    fn judged(&self) -> &'static str {
        if self.contract.limits().max_depth < 2 {
            return "type(e) == map ? null : e";
        }
        "type(e) != map ? e : 'value' in e && e['value'] != null ? e['value'] : 'status' in e ? e['status'] : null"
    }
}

/// The keys of the entries that are declared.
fn declared(contract: &Contract) -> Vec<&str> {
    let entries = evident::entries(contract);
    entries.map(|condition| &*condition.key).collect()
}
