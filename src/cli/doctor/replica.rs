//! Replicas, as they are asked: twice for what they measure, once for all else.

use std::time::Duration;

use http::Uri;
use serde::Deserialize;
use tokio::time::sleep;

use crate::cli::doctor::{Undiagnosed, seconds};
use crate::cli::server::{Proof, ServerOptions, Unanswered};
use crate::doctor::{
    Finding, Look, Looks, Samples, Seen, Severity, Top, fleet, proxies, ready, replica, top,
};
use crate::serve::proxies::Proxy;
use crate::serve::top::{Document, Item};

/// The proxies that are asked for: more would be told by nobody.
const MOST_PROXIES: &str = "100";

/// A page of proxies.
#[derive(Debug, Deserialize)]
struct Page {
    items: Vec<Proxy>,
}

/// What was measured, and when.
struct Measured {
    samples: Samples,
    at: f64,
}

impl Measured {
    fn look(&self) -> Look<'_> {
        Look {
            samples: &self.samples,
            at: self.at,
        }
    }
}

/// What is wrong with replicas, each by itself and all together.
pub(super) async fn ask(
    servers: &[Uri],
    proof: &Proof,
    over: Duration,
) -> Result<Vec<Finding>, Undiagnosed> {
    let mut found = Vec::new();
    let mut reached = Vec::new();
    for server in servers {
        let about = server.to_string();
        let server = ServerOptions {
            server: server.clone(),
            proof: proof.clone(),
        };
        match measure(&server, &about).await? {
            Ok(first) => reached.push((server, about, first)),
            Err(unanswered) => found.push(unreachable(&about, &unanswered)),
        }
    }
    if !over.is_zero() && !reached.is_empty() {
        sleep(over).await;
    }
    let mut seen = Vec::new();
    for (server, about, first) in reached {
        match look(&server, &about, &first, !over.is_zero()).await? {
            Ok((now, findings)) => {
                found.extend(findings);
                seen.push((about, now));
            }
            Err(unanswered) => found.push(unreachable(&about, &unanswered)),
        }
    }
    let together: Vec<Seen<'_>> = seen
        .iter()
        .map(|(about, measured)| Seen {
            about,
            samples: &measured.samples,
        })
        .collect();
    let all = together.len() > 1 && together.len() == servers.len();
    found.extend(fleet(&together, all));
    Ok(found)
}

/// Looks at a replica for the second time, and at all else that it says.
async fn look(
    server: &ServerOptions,
    about: &str,
    first: &Measured,
    twice: bool,
) -> Result<Result<(Measured, Vec<Finding>), Unanswered>, Undiagnosed> {
    let now = match measure(server, about).await? {
        Ok(now) => now,
        Err(unanswered) => return Ok(Err(unanswered)),
    };
    let mut found = replica(Looks {
        about,
        now: now.look(),
        before: twice.then(|| first.look()),
    });
    let rest = async {
        let answer = server.ask("readyz", &[("verbose", Some(""))]).await?;
        found.extend(ready(about, answer.status.is_success(), &answer.text()));
        let query = [("behind", Some("true")), ("limit", Some(MOST_PROXIES))];
        let page: Page = server.get("v1/proxies", &query).await?;
        found.extend(proxies(about, behind(&page.items)));
        // A replica of version 0.1 answers all but this.
        if let Ok(document) = server.get::<Document>("v1/top", &[]).await {
            found.extend(top(about, &feeders(&document)));
        }
        Ok(())
    };
    Ok(rest.await.map(|()| (now, found)))
}

async fn measure(
    server: &ServerOptions,
    about: &str,
) -> Result<Result<Measured, Unanswered>, Undiagnosed> {
    let answer = match server.ask("metrics", &[]).await {
        Ok(answer) if answer.status.is_success() => answer,
        Ok(answer) => return Ok(Err(answer.refused())),
        Err(unanswered) => return Ok(Err(unanswered)),
    };
    let at = seconds();
    let samples = Samples::read(&answer.text()).map_err(|source| Undiagnosed::Metrics {
        from: about.to_owned(),
        source,
    })?;
    Ok(Ok(Measured { samples, at }))
}

fn behind(proxies: &[Proxy]) -> impl Iterator<Item = (&str, &str, u64, Option<&str>)> {
    let types = proxies.iter().flat_map(|proxy| {
        let of = proxy.types.iter().map(move |of| (proxy, of));
        of.filter(|(_, of)| of.behind.names > 0)
    });
    types.map(|(proxy, of)| {
        let refusal = of.nacked.as_ref().map(|refusal| refusal.message.as_str());
        (
            proxy.node.as_str(),
            of.name.as_str(),
            of.behind.seconds,
            refusal,
        )
    })
}

fn feeders(document: &Document) -> Top<'_> {
    fn each(items: &[Item]) -> Vec<(&str, u64)> {
        let items = items.iter();
        items.map(|item| (&*item.name, item.count)).collect()
    }
    Top {
        seconds: document.seconds,
        writes: each(&document.writes),
        bytes: each(&document.bytes),
        entries: each(&document.entries),
        refused_keys: each(&document.refused_keys),
    }
}

fn unreachable(about: &str, unanswered: &Unanswered) -> Finding {
    Finding {
        severity: Severity::Critical,
        code: "Unreachable",
        about: about.to_owned(),
        message: unanswered.to_string(),
        advice: "look at the pod and its log: it may have ended, or not be where it was looked for",
    }
}
