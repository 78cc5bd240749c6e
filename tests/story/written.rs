//! What was written of a trip: statuses, alert and audit lines as one text, without what differs in each run.

use anyhow::Result;
use fusegate_crds::Time;
use serde_json::{Value, json};

use super::{audit::Line, world::Shop};

/// Fields that are another in each run: identities, hashes and versions.
const CHANCE: [&str; 9] = [
    "badHash",
    "crdUid",
    "fingerprint",
    "hash",
    "id",
    "observed",
    "observedGeneration",
    "resource_version",
    "uid",
];

/// How a cluster and a directory are called in the audit log.
const SOURCES: [&str; 2] = ["watch", "directory"];

/// Everything that a trip has caused to be written, as YAML that is the same in a cluster and in a directory.
pub(super) async fn of_trip(
    shop: &Shop,
    policy: &str,
    trip: &str,
    lines: &[Line],
) -> Result<String> {
    let mut written = json!({
        "alert": shop.wait_alert(trip).await?,
        "audit": lines.iter().map(Line::whole).collect::<Vec<_>>(),
        "contract": shop.contract_status().await?,
        "policy": shop.store.status("CircuitPolicy", policy).await?,
    });
    let names = [(&*shop.documents.namespace, "NAMESPACE"), (trip, "TRIP")];
    hide_chance(&mut written, &names);
    Ok(serde_saphyr::to_string(&written)?)
}

fn hide_chance(value: &mut Value, names: &[(&str, &str)]) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| hide_chance(item, names)),
        Value::Object(fields) => {
            // Versions of a directory's objects are in no order, so that records have none.
            fields.remove("observedVersion");
            for (key, value) in fields {
                if CHANCE.contains(&key.as_str()) {
                    *value = json!("…");
                } else {
                    hide_chance(value, names);
                }
            }
        }
        Value::String(text) if Time::parse(text).is_some() => "TIME".clone_into(text),
        Value::String(text) if SOURCES.contains(&text.as_str()) => "SOURCE".clone_into(text),
        Value::String(text) => {
            for (name, stand_in) in names {
                *text = text.replace(name, stand_in);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
