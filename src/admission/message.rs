//! Messages: what a denied writer reads, naming the key and the limit.

use crate::condition::contract::{Condition, Contract};
use crate::condition::kind::{Bounds, Kind};

/// Past this, a message says no more of the contract.
const MOST: usize = 512;

/// Why a condition's value is denied.
pub(super) fn value(contract: &Contract, condition: &Condition) -> String {
    cut(&format!(
        "key \"{}\" must be {}, in at most {} bytes (contract {})",
        condition.key,
        kind(&condition.kind),
        contract.limits().max_value_bytes,
        contract.name()
    ))
}

/// Why there are too many entries.
pub(super) fn too_many(contract: &Contract) -> String {
    format!(
        "{} has more entries than the {} that contract {} allows (limits.maxEntries); remove some or raise the limit there",
        contract.path(),
        contract.limits().max_entries,
        contract.name()
    )
}

/// Why a key is denied.
pub(super) fn unknown_key(contract: &Contract) -> String {
    let declared = contract.conditions().iter();
    let declared: Vec<&str> = declared.map(|condition| &*condition.key).collect();
    cut(&format!(
        "{} has a key that contract {} does not declare; declare it there or set unknownKeys: Ignore. It declares {}",
        contract.path(),
        contract.name(),
        declared.join(", ")
    ))
}

/// Why the whole is denied.
pub(super) fn malformed(contract: &Contract) -> String {
    format!(
        "{} must be a map of key to value, or a list keyed by type (contract {})",
        contract.path(),
        contract.name()
    )
}

/// Why a CRD is denied.
pub(super) fn frozen(crd: &str, revision: u64, trip: &str, annotation: &str) -> String {
    format!(
        "this would bring back revision {revision} of {crd}, which trip {trip} rolled back and whose circuit is not Closed; \
         any other schema is accepted. To bring it back all the same, set the annotation {annotation} to the reason"
    )
}

fn kind(kind: &Kind) -> String {
    let noun = match kind {
        Kind::Number(_) => "a number",
        Kind::Integer(_) => "a whole number",
        Kind::Duration(_) => "a duration with a unit, such as \"250ms\"",
        Kind::Quantity(_) => "a quantity, such as \"500Mi\"",
        Kind::Percent(_) => "a percentage, such as \"12.5%\"",
        Kind::Boolean => "true or false",
        Kind::String => "text",
        Kind::Enum(values) => return format!("one of {}", values.join(", ")),
        Kind::Presence => "present",
        Kind::Age => "a time, such as \"2026-11-22T14:05:28Z\"",
    };
    match kind.bounds() {
        Some(Bounds {
            minimum: Some(least),
            maximum: Some(most),
        }) => format!("{noun} from {} to {}", least.text, most.text),
        Some(Bounds {
            minimum: Some(least),
            maximum: None,
        }) => format!("{noun} of at least {}", least.text),
        Some(Bounds {
            minimum: None,
            maximum: Some(most),
        }) => format!("{noun} of at most {}", most.text),
        _ => noun.to_owned(),
    }
}

/// At most [`MOST`] characters, on one line.
fn cut(text: &str) -> String {
    let line = text.replace(char::is_control, " ");
    if line.chars().count() <= MOST {
        return line;
    }
    line.chars().take(MOST).chain(['…']).collect()
}
