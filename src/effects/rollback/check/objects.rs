//! The objects: every one that exists is judged, page by page, in each version that the target has.

use std::sync::Arc;

use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::effects::rollback::backend::RollbackBackend;
use crate::effects::rollback::check::{Step, Watch};
use crate::effects::rollback::stop::Stop;
use crate::revision::judge::Judge;
use crate::revision::tally::Tally;
use crate::wire::effect::Rollback;

/// The most places that a message lists.
const LISTED: usize = 5;

/// A version to judge in.
struct Version {
    /// That of the target.
    name: String,
    /// The live one in which the objects are read.
    read: String,
}

pub(super) async fn check(
    backend: &impl RollbackBackend,
    rollback: &Rollback,
    live: &Value,
    watch: &mut impl Watch,
) -> Result<String, Stop> {
    let spec = live.get("spec").unwrap_or(&Value::Null);
    let versions = versions(spec, rollback)?;
    let ratcheting = backend.ratcheting().await?;
    let mut tally = Tally::default();
    for (passed, version) in versions.iter().enumerate() {
        let judge = Judge::new(spec, &rollback.target.spec, &version.name, ratcheting);
        let Some(judge) = judge.map(Arc::new) else {
            continue;
        };
        let mut from = None;
        loop {
            let page = backend.page(rollback, &version.read, from).await?;
            let remaining = page.remaining;
            tally = judged(Arc::clone(&judge), page.items, tally).await?;
            let passes = versions.len() - passed;
            let total = tally.objects + remaining * passes as u64;
            let judged = tally.objects;
            watch.see(Step::Judged { judged, total }).await;
            from = page.next;
            if from.is_none() {
                break;
            }
        }
    }
    match tally.worst() {
        None => {
            let names: Vec<_> = versions
                .iter()
                .map(|version| version.name.as_str())
                .collect();
            let objects = tally.objects / versions.len().max(1) as u64;
            Ok(format!(
                "{objects} judged in {}; none would be harmed",
                names.join(", ")
            ))
        }
        Some(worst) => {
            let message = message(rollback, &tally, &versions);
            Err(Stop::blocked(worst.reason(), message))
        }
    }
}

/// Judges a page's objects where it keeps nobody waiting.
async fn judged(judge: Arc<Judge>, objects: Vec<Value>, mut tally: Tally) -> Result<Tally, Stop> {
    let judging = spawn_blocking(move || {
        for object in objects {
            tally.add(&name(&object), judge.harms(&object));
        }
        tally
    });
    let judged = judging.await;
    judged.map_err(|error| Stop::Transient(format!("judging objects: {error}")))
}

fn name(object: &Value) -> String {
    let text = |pointer| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    match text("/metadata/namespace") {
        "" => text("/metadata/name").to_owned(),
        namespace => format!("{namespace}/{}", text("/metadata/name")),
    }
}

/// The versions that the target serves or stores, and how each of them can be read now.
///
/// One that is not served now is read in another one, which is the same where objects are not converted.
fn versions(live: &Value, rollback: &Rollback) -> Result<Vec<Version>, Stop> {
    let served: Vec<&Value> = of(live).filter(|version| flag(version, "served")).collect();
    let stored = served.iter().find(|version| flag(version, "storage"));
    let fallback = stored
        .or(served.first())
        .and_then(|version| name_of(version));
    let converts = live.pointer("/conversion/strategy").and_then(Value::as_str) == Some("Webhook");
    let mut found = Vec::new();
    for version in of(&rollback.target.spec) {
        let Some(name) = name_of(version) else {
            continue;
        };
        let is_served = served.iter().any(|served| name_of(served) == Some(name));
        let read = match fallback {
            _ if is_served => name,
            Some(fallback) if flag(version, "storage") && !converts => fallback,
            _ if flag(version, "storage") => return Err(unreadable(rollback, name)),
            _ => continue,
        };
        found.push(Version {
            name: name.to_owned(),
            read: read.to_owned(),
        });
    }
    Ok(found)
}

fn unreadable(rollback: &Rollback, version: &str) -> Stop {
    let (crd, target) = (&rollback.crd.name, rollback.target.number);
    Stop::blocked(
        "NotReadable",
        format!(
            "revision {target} of {crd} stores objects as {version}, which is not served now, so they can't be judged; \
             serve {version} first"
        ),
    )
}

fn of(spec: &Value) -> impl Iterator<Item = &Value> {
    let versions = spec.get("versions").and_then(Value::as_array);
    versions.into_iter().flatten()
}

fn name_of(version: &Value) -> Option<&str> {
    version.get("name")?.as_str()
}

fn flag(version: &Value, name: &str) -> bool {
    version.get(name) == Some(&Value::Bool(true))
}

fn message(rollback: &Rollback, tally: &Tally, versions: &[Version]) -> String {
    let counted = match versions {
        [_] => String::new(),
        several => format!(", counted in each of {} versions", several.len()),
    };
    let lines: Vec<_> = tally
        .places
        .iter()
        .take(LISTED)
        .map(ToString::to_string)
        .collect();
    let more = (tally.places.len() - lines.len()) as u64 + tally.omitted;
    let more = match more {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!(
        "going back to revision {} of {} would harm {} of {} objects{counted}: {}{more}; change these objects first, or roll forward",
        rollback.target.number,
        rollback.crd.name,
        tally.harmed,
        tally.objects,
        lines.join("; ")
    )
}
