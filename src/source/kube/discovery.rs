//! Discovery: how an API server serves kinds that have no CRD, built-in ones and those of aggregated APIs.
//!
//! The two documents of aggregated discovery tell of all kinds. The server is asked for them by their tags, so that it
//! answers with nothing while they have not changed, and only what is contracted is kept of them.
//!
//! Source: Kubernetes, "The Kubernetes API", aggregated discovery (stable since 1.30).

use std::collections::{BTreeSet, HashMap};

use http::header::{ACCEPT, ETAG, IF_NONE_MATCH};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use kube::client::Body;
use kube::core::Status;
use kube::{Client, Error};
use serde::Deserialize;

use crate::source::kube::endpoint::Endpoint;
use crate::wire::event::{ApiResource, GroupKind};

/// The form of discovery that is asked for.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The most bytes of one document: ten times that of a cluster with a few thousand kinds.
const MOST_BYTES: usize = 32 << 20;

/// What is known of the contracted kinds that have no CRD.
pub(super) struct Discovery {
    client: Client,
    /// The core group, and all others.
    documents: [Document; 2],
    /// The kinds that the documents were last searched for.
    wanted: BTreeSet<GroupKind>,
}

/// How a kind is served.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is not.
    Absent,
    /// It is, and can't be watched, because of this.
    Unwatchable(ApiResource, Box<str>),
    /// It is, here.
    Served(ApiResource, Endpoint),
}

/// One document, and what was found in it, in the order of preference.
struct Document {
    path: &'static str,
    tag: Option<HeaderValue>,
    found: HashMap<GroupKind, Vec<Resource>>,
}

#[derive(Debug)]
struct Resource {
    version: Box<str>,
    plural: Box<str>,
    namespaced: bool,
    watchable: bool,
}

#[derive(Deserialize)]
struct Groups {
    items: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    metadata: Name,
    #[serde(default)]
    versions: Vec<Version>,
}

#[derive(Default, Deserialize)]
struct Name {
    #[serde(default)]
    name: Box<str>,
}

#[derive(Deserialize)]
struct Version {
    version: Box<str>,
    #[serde(default)]
    resources: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    resource: Box<str>,
    response_kind: Option<Kind>,
    #[serde(default)]
    scope: Box<str>,
    #[serde(default)]
    verbs: Vec<Box<str>>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Box<str>,
}

impl Discovery {
    pub(super) fn new(client: Client) -> Self {
        let document = |path| Document {
            path,
            tag: None,
            found: HashMap::new(),
        };
        Self {
            client,
            documents: [document("/api"), document("/apis")],
            wanted: BTreeSet::new(),
        }
    }

    /// Looks for these kinds.
    ///
    /// # Errors
    ///
    /// When the API server does not answer, or with something else than discovery.
    pub(super) async fn look(&mut self, wanted: BTreeSet<GroupKind>) -> kube::Result<()> {
        let more = !wanted.is_subset(&self.wanted);
        self.wanted = wanted;
        for document in &mut self.documents {
            if more {
                document.tag = None;
            }
            document.read(&self.client, &self.wanted).await?;
        }
        Ok(())
    }

    /// How a kind is served, in this version or the preferred one.
    pub(super) fn find(&self, kind: &GroupKind, version: Option<&str>) -> Found {
        let mut resources = self.documents.iter().filter_map(|it| it.found.get(kind));
        let Some(resources) = resources.find(|resources| !resources.is_empty()) else {
            return Found::Absent;
        };
        let named = |it: &&Resource| version.is_none_or(|version| *it.version == *version);
        let mut fitting = resources.iter().filter(named);
        let first = fitting.clone().next();
        if let Some(resource) = fitting.find(|it| it.watchable) {
            let endpoint = Endpoint::everywhere(&kind.group, &resource.version, &resource.plural);
            return Found::Served(resource.of(kind), endpoint);
        }
        let Some(other) = first.or_else(|| resources.first()) else {
            return Found::Absent;
        };
        let why = match (first, version) {
            (None, Some(version)) => {
                let served: Vec<&str> = resources.iter().map(|it| &*it.version).collect();
                format!(
                    "it is not served in version {version}; name {} in the contract's spec.target.version, or none",
                    served.join(" or ")
                )
            }
            _ => "its API can't list and watch it, so nothing is known of its objects".to_owned(),
        };
        Found::Unwatchable(other.of(kind), why.into())
    }
}

impl Document {
    /// Reads it, unless it is still what it was.
    async fn read(&mut self, client: &Client, wanted: &BTreeSet<GroupKind>) -> kube::Result<()> {
        let mut request = Request::get(self.path).header(ACCEPT, AGGREGATED);
        if let Some(tag) = &self.tag {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let request = request.body(Body::empty()).map_err(Error::HttpError)?;
        let answer = client.send(request).await?;
        let status = answer.status();
        if status == StatusCode::NOT_MODIFIED {
            return Ok(());
        }
        let tag = answer.headers().get(ETAG).cloned();
        let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
        let bytes = body.map_err(Error::Service)?.to_bytes();
        if !status.is_success() {
            return Err(Error::Api(Box::new(refusal(status, &bytes))));
        }
        let groups: Groups = serde_json::from_slice(&bytes).map_err(Error::SerdeError)?;
        self.found = found(groups, wanted);
        self.tag = tag;
        Ok(())
    }
}

impl Resource {
    fn of(&self, kind: &GroupKind) -> ApiResource {
        ApiResource {
            target: kind.clone(),
            version: self.version.clone(),
            plural: self.plural.clone(),
            namespaced: self.namespaced,
        }
    }
}

/// What the API server said instead.
fn refusal(status: StatusCode, bytes: &[u8]) -> Status {
    serde_json::from_slice(bytes).unwrap_or_else(|_| Status {
        code: status.as_u16(),
        ..Status::default()
    })
}

/// The wanted kinds among all.
fn found(groups: Groups, wanted: &BTreeSet<GroupKind>) -> HashMap<GroupKind, Vec<Resource>> {
    let mut found: HashMap<GroupKind, Vec<Resource>> = HashMap::new();
    for group in groups.items {
        let name = group.metadata.name;
        if !wanted.iter().any(|kind| *kind.group == *name) {
            continue;
        }
        for version in group.versions {
            for listed in version.resources {
                let Some(kind) = &listed.response_kind else {
                    continue;
                };
                let kind = GroupKind::new(&*name, &*kind.kind);
                if wanted.contains(&kind) {
                    let can = |verb: &str| listed.verbs.iter().any(|it| **it == *verb);
                    found.entry(kind).or_default().push(Resource {
                        version: version.version.clone(),
                        namespaced: &*listed.scope == "Namespaced",
                        watchable: can("list") && can("watch"),
                        plural: listed.resource,
                    });
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
