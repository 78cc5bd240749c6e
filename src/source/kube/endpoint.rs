//! An endpoint: where one kind is listed and watched, and its name in messages.

use http::Request;
use kube::api::{ListParams, WatchParams};

/// How long the API server keeps one watch open before it is renewed, in seconds.
///
/// A renewal costs one request and resumes where the last watch ended. It bounds how long
/// a silently dead connection goes unnoticed. Kubernetes clients use five minutes, which is
/// too long for a gate that answers from this watch.
pub(super) const WATCH_SECONDS: u32 = 30;

/// Where one kind is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    path: String,
    labels: Option<String>,
    title: String,
    group: String,
    plural: String,
}

impl Endpoint {
    /// A kind in all namespaces, or a cluster-scoped one.
    pub(super) fn everywhere(group: &str, version: &str, plural: &str) -> Self {
        Self {
            path: format!("{}/{plural}", root(group, version)),
            labels: None,
            title: title(group, plural),
            group: group.to_owned(),
            plural: plural.to_owned(),
        }
    }

    /// A kind in one namespace; only objects with a label.
    pub(super) fn within(
        group_version: (&str, &str),
        plural: &str,
        namespace: &str,
        label: &str,
    ) -> Self {
        let (group, version) = group_version;
        Self {
            path: format!("{}/namespaces/{namespace}/{plural}", root(group, version)),
            labels: Some(label.to_owned()),
            title: format!("{} in namespace {namespace}", title(group, plural)),
            group: group.to_owned(),
            plural: plural.to_owned(),
        }
    }

    /// The documents of discovery, for messages.
    pub(super) fn discovery() -> Self {
        Self {
            title: "the kinds that it serves (/api and /apis)".to_owned(),
            ..Self::everywhere("", "", "")
        }
    }

    /// Its name in messages: `storefronts.shop.example.com`, and `pods` in the core group.
    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// The rule of a role that lets fusegate read it.
    pub(super) fn rule(&self) -> String {
        format!(
            "{{apiGroups: [\"{}\"], resources: [\"{}\"], verbs: [\"get\", \"list\", \"watch\"]}}",
            self.group, self.plural
        )
    }

    /// One page of a quorum list.
    pub(super) fn list(
        &self,
        limit: u32,
        continue_token: Option<String>,
    ) -> kube::Result<Request<Vec<u8>>> {
        self.build(|request| {
            request.list(&ListParams {
                continue_token,
                ..self.params(limit)
            })
        })
    }

    /// A quorum list of one object's metadata: the cheapest request that reads the present state of etcd.
    pub(super) fn probe(&self) -> kube::Result<Request<Vec<u8>>> {
        self.build(|request| request.list_metadata(&self.params(1)))
    }

    /// A watch from a resource version.
    pub(super) fn watch(&self, resource_version: &str) -> kube::Result<Request<Vec<u8>>> {
        let params = WatchParams {
            label_selector: self.labels.clone(),
            timeout: Some(WATCH_SECONDS),
            bookmarks: true,
            ..WatchParams::default()
        };
        self.build(|request| request.watch(&params, resource_version))
    }

    /// One object.
    pub(super) fn get(&self, name: &str) -> kube::Result<Request<Vec<u8>>> {
        self.build(|request| request.get(name, &kube::api::GetParams::default()))
    }

    fn params(&self, limit: u32) -> ListParams {
        ListParams {
            label_selector: self.labels.clone(),
            limit: Some(limit),
            ..ListParams::default()
        }
    }

    fn build(
        &self,
        make: impl FnOnce(&kube::core::Request) -> Result<Request<Vec<u8>>, kube::core::request::Error>,
    ) -> kube::Result<Request<Vec<u8>>> {
        make(&kube::core::Request::new(self.path.clone())).map_err(kube::Error::BuildRequest)
    }
}

/// Where a version of a group is; the core group has a place of its own.
fn root(group: &str, version: &str) -> String {
    match group {
        "" => format!("/api/{version}"),
        group => format!("/apis/{group}/{version}"),
    }
}

fn title(group: &str, plural: &str) -> String {
    match group {
        "" => plural.to_owned(),
        group => format!("{plural}.{group}"),
    }
}
