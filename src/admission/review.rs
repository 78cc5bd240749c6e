//! A review: what the API server asks about one write, and what it is answered.
//!
//! Objects stay the text that they came as, so that the very code that judges what is published judges them: a decoded object
//! would have lost how its numbers were written. Of a review that can't be read nothing is answered: the API server then lets the write pass,
//! and it is judged when it is seen.
//! Source: Kubernetes, `admission.k8s.io/v1` `AdmissionReview`.

mod schema;
mod text;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use fusegate_crds::AdmissionMode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::admission::guard::{Guard, Guards, SYSTEM};
use crate::admission::policy::{PROBE, PROBE_ANNOTATION};
use crate::condition::extract;
use crate::condition::report::Report;

/// The version that is read and answered.
const VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";

/// The key of what the API server's audit log has of a write that breaks its contract.
const VIOLATION: &str = "violation";

/// A review that can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// It is no JSON, or not of the shape of a review.
    #[error(
        "this is no AdmissionReview; the API server of a cluster posts here, and nobody else has anything to ask"
    )]
    Read(#[source] serde_json::Error),
    /// It is of another version.
    #[error("this is a {kind} of {version}; this webhook reads {KIND} of {VERSION}")]
    Version {
        /// What it says that it is.
        kind: String,
        /// Of this version.
        version: String,
    },
    /// It asks nothing.
    #[error("the review has no request")]
    NoRequest,
}

/// An answered review.
#[derive(Debug)]
pub struct Reviewed {
    /// The answer, as JSON.
    pub answer: Vec<u8>,
    /// What came of it.
    pub outcome: Outcome,
    /// The write, where it was denied and would have been persisted otherwise.
    pub denial: Option<Box<Denial>>,
}

/// What came of a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It breaks nothing, or it is not judged.
    Passed,
    /// It breaks its contract, and that is recorded.
    Recorded,
    /// It breaks its contract, and its author is warned.
    Warned,
    /// It is denied.
    Denied,
    /// It was a probe.
    Probed,
}

/// A write of an object that was there, and was denied because it breaks the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The kind's API group.
    pub group: Arc<str>,
    /// The kind.
    pub kind: Arc<str>,
    /// The object's namespace; empty for a cluster-scoped one.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its uid.
    pub uid: Box<str>,
    /// The resource version that it had.
    pub resource_version: Box<str>,
    /// Which observation it would have been: see [`Report::content`].
    pub content: u64,
    /// How many keys it had.
    pub keys: usize,
    /// What is wrong with it.
    pub reason: Box<str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    #[serde(borrow)]
    api_version: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    request: Option<Request<'a>>,
}

/// What of a request is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    #[serde(borrow)]
    uid: Cow<'a, str>,
    #[serde(borrow)]
    resource: Asked<'a>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    namespace: Cow<'a, str>,
    #[serde(borrow)]
    operation: Cow<'a, str>,
    #[serde(borrow, default)]
    object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    old_object: Option<&'a RawValue>,
    #[serde(default)]
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
struct Asked<'a> {
    #[serde(borrow, default)]
    group: Cow<'a, str>,
    #[serde(borrow, default)]
    version: Cow<'a, str>,
    #[serde(borrow)]
    resource: Cow<'a, str>,
}

/// What of an object is looked at.
#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow, default)]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata<'a> {
    #[serde(borrow)]
    uid: Cow<'a, str>,
    #[serde(borrow)]
    resource_version: Cow<'a, str>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    audit_annotations: BTreeMap<&'static str, &'a str>,
}

#[derive(Serialize)]
struct Status<'a> {
    code: u16,
    reason: &'static str,
    message: &'a str,
}

/// What is decided of a write.
#[derive(Default)]
struct Decision {
    outcome: Option<Outcome>,
    /// What the author, and the API server's audit log, is told.
    message: String,
    /// The key under which the log has it.
    key: &'static str,
    denial: Option<Box<Denial>>,
}

/// Answers a review that came to a path with this marker.
///
/// # Errors
///
/// When it can't be read.
pub fn answer(guards: &Guards, marker: &str, body: &[u8]) -> Result<Reviewed, Malformed> {
    let review: Review<'_> = serde_json::from_slice(body).map_err(Malformed::Read)?;
    if review.kind != KIND || review.api_version != VERSION {
        return Err(Malformed::Version {
            kind: text::cut(&review.kind, text::MOST_NAME),
            version: text::cut(&review.api_version, text::MOST_NAME),
        });
    }
    let request = review.request.ok_or(Malformed::NoRequest)?;
    let decision = decide(guards, marker, &request)?;
    write(&request.uid, decision)
}

fn decide(guards: &Guards, marker: &str, request: &Request<'_>) -> Result<Decision, Malformed> {
    let resource = &request.resource;
    if resource.group == "apps"
        && resource.resource == "controllerrevisions"
        && request.name == PROBE
    {
        return probe(guards, marker, request);
    }
    if resource.group == "apiextensions.k8s.io" && resource.resource == "customresourcedefinitions"
    {
        let guard = guards
            .of_crd(&request.name)
            .filter(|_| request.operation == "UPDATE");
        let Some((guard, old, new)) = guard
            .zip(request.old_object)
            .zip(request.object)
            .map(|((guard, old), new)| (guard, old, new))
        else {
            return Ok(Decision::default());
        };
        return schema::judge(guard, old, new);
    }
    let alone = request.namespace == *guards.namespace || request.namespace == SYSTEM;
    let written = matches!(&*request.operation, "CREATE" | "UPDATE");
    let guard = guards.of(&resource.group, &resource.resource);
    // Another version is asked about by a configuration of before.
    let guard = guard.filter(|guard| resource.version == *guard.resource.version);
    match (guard, request.object) {
        (Some(guard), Some(object)) if written && !alone => judge(guard, request, object),
        _ => Ok(Decision::default()),
    }
}

/// Denies a probe where the API server asks by the configuration that the probe names, as the path shows, and where there is anything
/// to judge by. The replica that is asked may be a moment behind or ahead of the one that wrote it.
fn probe(guards: &Guards, marker: &str, request: &Request<'_>) -> Result<Decision, Malformed> {
    let object = read(request.object)?;
    let annotations = object
        .and_then(|object| object.metadata.annotations)
        .unwrap_or_default();
    let says = annotations.get(PROBE_ANNOTATION).map(String::as_str);
    if guards.is_empty() || says != Some(marker) {
        return Ok(Decision::default());
    }
    Ok(Decision {
        outcome: Some(Outcome::Probed),
        message: format!("probe {marker}"),
        key: VIOLATION,
        denial: None,
    })
}

/// Judges a write of an object of a contracted kind.
fn judge(guard: &Guard, request: &Request<'_>, raw: &RawValue) -> Result<Decision, Malformed> {
    let report = report(guard, raw)?;
    if report.is_legal() {
        return Ok(Decision::default());
    }
    let old = request.old_object;
    if let Some(old) = old
        && self::report(guard, old)? == report
    {
        // Whoever changes nothing of what is judged must be able to go on: to remove a finalizer, for example.
        return Ok(Decision::default());
    }
    let outcome = match guard.mode {
        AdmissionMode::Off => return Ok(Decision::default()),
        AdmissionMode::Audit => Outcome::Recorded,
        AdmissionMode::Warn => Outcome::Warned,
        AdmissionMode::Deny => Outcome::Denied,
    };
    let message = text::violation(guard, &request.namespace, &request.name, &report);
    let counts = outcome == Outcome::Denied && request.dry_run != Some(true);
    let denial = match read(old)?.filter(|_| counts) {
        Some(old) => Some(Box::new(Denial {
            group: guard.resource.group.clone(),
            kind: guard.resource.kind.clone(),
            namespace: text::cut(&request.namespace, text::MOST_NAME).into(),
            name: text::cut(&request.name, text::MOST_NAME).into(),
            uid: text::cut(&old.metadata.uid, text::MOST_NAME).into(),
            resource_version: text::cut(&old.metadata.resource_version, text::MOST_NAME).into(),
            content: report.content,
            keys: report.keys,
            reason: text::problems(&report).into(),
        })),
        None => None,
    };
    Ok(Decision {
        outcome: Some(outcome),
        message,
        key: VIOLATION,
        denial,
    })
}

fn report(guard: &Guard, raw: &RawValue) -> Result<Report, Malformed> {
    let object = read(Some(raw))?;
    let status = object.and_then(|object| object.status).map(RawValue::get);
    let rest = guard
        .outside
        .as_ref()
        .and_then(|outside| outside.cut(raw.get()));
    Ok(extract::extract_object(
        &guard.contract,
        status,
        rest.as_deref(),
    ))
}

fn read(raw: Option<&RawValue>) -> Result<Option<Object<'_>>, Malformed> {
    let read = raw.map(|raw| serde_json::from_str(raw.get()));
    read.transpose().map_err(Malformed::Read)
}

fn write(uid: &str, decision: Decision) -> Result<Reviewed, Malformed> {
    let Decision {
        outcome,
        message,
        key,
        denial,
    } = decision;
    let outcome = outcome.unwrap_or(Outcome::Passed);
    let denied = matches!(outcome, Outcome::Denied | Outcome::Probed);
    let answer = Answer {
        api_version: VERSION,
        kind: KIND,
        response: Response {
            uid,
            allowed: !denied,
            status: denied.then_some(Status {
                code: 422,
                reason: "Invalid",
                message: &message,
            }),
            warnings: if outcome == Outcome::Warned {
                text::warnings(&message)
            } else {
                Vec::new()
            },
            audit_annotations: if message.is_empty() {
                BTreeMap::new()
            } else {
                BTreeMap::from([(key, message.as_str())])
            },
        },
    };
    Ok(Reviewed {
        answer: serde_json::to_vec(&answer).map_err(Malformed::Read)?,
        outcome,
        denial,
    })
}

#[cfg(test)]
mod tests;
