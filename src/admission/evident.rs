//! Evident legality: one expression that holds for most legal objects, and for no illegal one.
//!
//! It stands in a match condition, so that the API server neither judges such a write any further nor asks a webhook about it: whoever keeps
//! the contract pays least. Unlike a policy, which may let something illegal pass, it must be sure: a number whose double CEL may compute
//! differently, or a text of nearly as many bytes as are allowed, is not evident.

use fusegate_crds::UnknownKeys;

use crate::admission::path::names;
use crate::admission::text::{self, Texts};
use crate::admission::{cel, value};
use crate::condition::contract::{Condition, Contract, Source};
use crate::condition::kind::{Bounds, Kind};

/// With room for so many bytes, a value is no number, and no text of the evident forms, that is too large.
const LEAST_BYTES: u32 = 64;

/// The longest text that stands for a number: the longest of the forms is shorter.
const MOST_TEXT: usize = 60;

/// The most bytes that the API server writes a character with, as JSON.
const WIDEST: u32 = 6;

/// The longest expression of a policy; an API server has to compile it, and reads no more than 100,000 characters.
pub(super) const LONGEST: usize = 32_768;

/// The names of what stands at the contract's path, and of an item there.
const ENTRIES: &str = "m";
const ITEM: &str = "e";

/// What holds only for an `object` that is legal; none where nothing is evident, or not in so many characters.
pub(super) fn evident(contract: &Contract, most: usize) -> Option<String> {
    let is_entry = |condition: &Condition| {
        // A query answers for its key, whatever an object says.
        matches!(condition.source(), Source::Entry | Source::Query(_))
    };
    if entries(contract).next().is_none()
        || !contract.conditions().iter().all(is_entry)
        || contract.limits().max_value_bytes < LEAST_BYTES
    {
        return None;
    }
    let names: Vec<&str> = names(contract.path()).collect();
    let within = format!(
        "type({ENTRIES}) == map && {} || type({ENTRIES}) == list && {}",
        map(contract),
        list(contract)
    );
    let expression = at("object", &names, &within);
    (expression.len() <= most).then_some(expression)
}

/// Whether what stands at a path, bound to a name, is evident, or nothing stands there.
fn at(object: &str, path: &[&str], within: &str) -> String {
    let Some((name, rest)) = path.split_first() else {
        return format!("[{object}].exists({ENTRIES}, {within})");
    };
    let name = cel::quote(name);
    let next = format!("{object}[{name}]");
    let below = at(&next, rest, within);
    let is_map = if rest.is_empty() {
        String::new()
    } else {
        format!("type({next}) == map && ")
    };
    format!("!({name} in {object}) || {is_map}({below})")
}

/// The conditions that are entries at the contract's path.
pub(super) fn entries(contract: &Contract) -> impl Iterator<Item = &Condition> {
    let conditions = contract.conditions().iter();
    conditions.filter(|condition| *condition.source() == Source::Entry)
}

/// As many bare values that are evident as there are entries, so that none is left.
fn map(contract: &Contract) -> String {
    let limits = contract.limits();
    let evident = entries(contract).map(|condition| {
        let key = cel::quote(&condition.key);
        let value = format!("{ENTRIES}[{key}]");
        let is_evident = of_kind(&value, &condition.kind, limits.max_value_bytes);
        format!("({key} in {ENTRIES} && ({is_evident}) ? 1 : 0)")
    });
    let evident: Vec<String> = evident.collect();
    let all = format!("size({ENTRIES}) == {}", evident.join(" + "));
    let most = limits.max_entries;
    if evident.len() as u64 > u64::from(most) {
        return format!("size({ENTRIES}) <= {most} && {all}");
    }
    all
}

/// Items of a type and a status that is evident, or of a type that nobody declares.
fn list(contract: &Contract) -> String {
    let limits = contract.limits();
    if limits.max_depth < 2 {
        return "false".to_owned();
    }
    let most = limits.max_entries;
    let status = format!("{ITEM}['status']");
    let evident = entries(contract).map(|condition| {
        let is_evident = of_kind(&status, &condition.kind, limits.max_value_bytes);
        let key = cel::quote(&condition.key);
        format!("{ITEM}['type'] == {key} && ({is_evident})")
    });
    let mut evident: Vec<String> = evident.collect();
    if !contract.rejects_unknown_keys(UnknownKeys::Ignore) {
        let known = cel::strings(entries(contract).map(|condition| &*condition.key));
        evident.push(format!("!({ITEM}['type'] in {known})"));
    }
    format!(
        "size({ENTRIES}) <= {most} && {ENTRIES}.all({ITEM}, type({ITEM}) == map && 'type' in {ITEM} && type({ITEM}['type']) == string \
         && 'status' in {ITEM} && !('value' in {ITEM}) && ({}))",
        evident.join(" || ")
    )
}

/// What holds only for legal values of a kind.
fn of_kind(value: &str, kind: &Kind, most_bytes: u32) -> String {
    let widest = most_bytes.saturating_sub(2) / WIDEST;
    match kind {
        Kind::Presence => "true".to_owned(),
        Kind::Boolean => format!(
            "type({value}) == bool || type({value}) == string && {value} in ['True', 'False', 'Unknown', 'true', 'false']"
        ),
        Kind::String => format!("type({value}) == string && size({value}) <= {widest}"),
        Kind::Enum(values) => {
            let values = values.iter().map(AsRef::as_ref).chain(["Unknown"]);
            let short = values.filter(|value| value.chars().count() <= widest as usize);
            let known = cel::strings(short);
            format!("type({value}) == string && {value} in {known}")
        }
        Kind::Age => format!(
            "type({value}) == string && size({value}) == 20 && {value}.matches({})",
            cel::quote(text::MOMENT)
        ),
        Kind::Number(bounds) => numeric(value, &text::NUMBER, bounds, true),
        Kind::Percent(bounds) => numeric(value, &text::PERCENT, bounds, true),
        Kind::Quantity(bounds) => numeric(value, &text::QUANTITY, bounds, true),
        Kind::Duration(bounds) => numeric(value, &text::SHORT_DURATION, bounds, false),
        Kind::Integer(bounds) if is_finite(bounds) => format!(
            "type({value}) == int && {}",
            value::within(&format!("double({value})"), bounds)
        ),
        Kind::Integer(_) => "false".to_owned(),
    }
}

/// Numbers, where they need no unit, and texts of which CEL computes the very number.
fn numeric(value: &str, texts: &Texts, bounds: &Bounds, bare: bool) -> String {
    if !is_finite(bounds) {
        return "false".to_owned();
    }
    let exact = cel::quote(texts.exact);
    let within = |number: &str| value::within(number, bounds);
    let mut text = format!("size({value}) <= {MOST_TEXT} && {value}.matches({exact})");
    if value::is_bounded(bounds) {
        text = format!(
            "{text} && {}",
            within(&format!("({})", (texts.number)(value)))
        );
    }
    if !bare {
        return format!("type({value}) == string && {text}");
    }
    format!(
        "type({value}) == double ? {} : type({value}) == string ? {text} : type({value}) == int && {}",
        within(value),
        within(&format!("double({value})"))
    )
}

/// Whether there is a literal for each bound.
fn is_finite(bounds: &Bounds) -> bool {
    let bounds = [&bounds.minimum, &bounds.maximum];
    let mut bounds = bounds.into_iter().flatten();
    bounds.all(|bound| bound.number.is_finite())
}
