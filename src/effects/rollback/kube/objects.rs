//! The objects of a CRD at the API server, page by page.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::effects::cluster::{ApiFailure, Cluster, Cursor, Page};
use crate::effects::rollback::stop::Stop;
use crate::revision::judge::Ratcheting;
use crate::wire::effect::Rollback;

/// The most objects asked for at once; fewer where they are large.
const PAGE: u32 = 500;

/// How long a page may take.
const PAGE_WITHIN: Duration = Duration::from_secs(30);

/// The first minor version of Kubernetes that ratchets writes of a status (kubernetes#129506).
const RATCHETS_STATUSES: u32 = 33;

/// The first minor version that ratchets writes of an object, unless it is told otherwise.
const RATCHETS_OBJECTS: u32 = 30;

#[derive(Deserialize)]
struct Version {
    major: String,
    minor: String,
}

pub(super) async fn page(
    cluster: &Cluster,
    rollback: &Rollback,
    version: &str,
    from: Option<Cursor>,
) -> Result<Page<Value>, Stop> {
    let spec = &rollback.bad.spec;
    let text = |pointer| {
        spec.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let url = format!(
        "/apis/{}/{version}/{}",
        text("/group"),
        text("/names/plural")
    );
    let from = from.unwrap_or_else(|| Cursor::up_to(PAGE));
    let page = cluster.page(&url, PAGE_WITHIN, from).await;
    page.map_err(|answer| refused(rollback, version, answer))
}

fn refused(rollback: &Rollback, version: &str, answer: ApiFailure) -> Stop {
    let crd = &rollback.crd.name;
    let act = format!("listing the objects of {crd} in version {version}");
    match answer {
        // Only the API server's text tells this from its other failures.
        ApiFailure::Unavailable(message) if message.contains("conversion webhook") => {
            super::conversion::unreachable(crd, &message)
        }
        // The list has become too old in between, so it begins anew.
        ApiFailure::Refused(message) if from_old_list(&message) => {
            Stop::Transient(format!("{act}: {message}"))
        }
        answer => Stop::refused(answer, "Refused", &act),
    }
}

fn from_old_list(message: &str) -> bool {
    message.contains("continue") && (message.contains("expired") || message.contains("too old"))
}

pub(super) async fn ratcheting(cluster: &Cluster) -> Result<Ratcheting, Stop> {
    let request = http::Request::get("/version").body(Vec::new());
    let request = request.map_err(kube::core::request::Error::BuildRequest);
    let version = cluster.request::<Version>(request).await;
    let version = version
        .map_err(|answer| Stop::refused(answer, "Refused", "asking for Kubernetes' version"))?;
    // A provider may add to it: `32+`.
    let digits = |text: &str| {
        text.trim_end_matches(|end: char| !end.is_ascii_digit())
            .parse()
    };
    let minor: u32 = digits(&version.minor).unwrap_or(0);
    let later = digits(&version.major).is_ok_and(|major: u32| major > 1);
    Ok(Ratcheting {
        objects: later || minor >= RATCHETS_OBJECTS,
        statuses: later || minor >= RATCHETS_STATUSES,
    })
}
