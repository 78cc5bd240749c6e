//! A schema: whether a write of a CRD brings back one that was rolled back.

use fusegate_crds::AdmissionMode;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Decision, Malformed, Metadata, Outcome, text};
use crate::admission::guard::Guard;
use crate::admission::message;
use crate::admission::policy::BREAK_GLASS;
use crate::revision::hash;

/// The key under which the API server's audit log has why a bad schema came back all the same.
const GLASS: &str = "break-glass";

#[derive(Deserialize)]
struct Definition<'a> {
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
    #[serde(default)]
    spec: Value,
}

/// Denies bringing a bad schema back; any other write passes, and so does one that breaks the glass.
pub(super) fn judge(guard: &Guard, old: &RawValue, new: &RawValue) -> Result<Decision, Malformed> {
    let read = |raw: &RawValue| {
        serde_json::from_str::<Definition<'_>>(raw.get()).map(|read| hash(&read.spec))
    };
    let (live, wanted) = (
        read(old).map_err(Malformed::Read)?,
        read(new).map_err(Malformed::Read)?,
    );
    let mut frozen = guard.frozen.iter();
    let back = frozen.find(|schema| *schema.hash == *wanted && *schema.hash != *live);
    let Some(schema) = back.filter(|_| guard.mode != AdmissionMode::Off) else {
        return Ok(Decision::default());
    };
    let definition: Definition<'_> = serde_json::from_str(new.get()).map_err(Malformed::Read)?;
    let annotations = definition.metadata.annotations.unwrap_or_default();
    if let Some(reason) = annotations.get(BREAK_GLASS) {
        return Ok(Decision {
            outcome: Some(Outcome::Passed),
            message: text::cut(reason, text::MOST_NAME),
            key: GLASS,
            denial: None,
        });
    }
    let outcome = match guard.mode {
        AdmissionMode::Off => Outcome::Passed,
        AdmissionMode::Audit => Outcome::Recorded,
        AdmissionMode::Warn => Outcome::Warned,
        AdmissionMode::Deny => Outcome::Denied,
    };
    Ok(Decision {
        outcome: Some(outcome),
        message: message::frozen(&guard.crd(), schema.revision, &schema.trip, BREAK_GLASS),
        key: super::VIOLATION,
        denial: None,
    })
}
