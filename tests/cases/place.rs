//! A place: where a case's documents are kept, a directory or an API server, with the real fusegate on it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use fusegate::source::dir::layout::Layout;
use k8s_openapi::{
    api::core::v1::Namespace,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
    discovery,
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::support::{
    fusegate::{Fusegate, FusegateConfig},
    scratch::Scratch,
    servers::{
        apiserver::{ApiServer, unique},
        apply::{Keep, apply},
    },
};

/// Where fusegate has its lease and the stored revisions.
const NAMESPACE: &str = "fusegate-system";

/// What the inputs call their namespace.
const WRITTEN: &str = "namespace: cases";

/// Which kind of place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A directory, and a fusegate of the case's own.
    Folder,
    /// The API server and the fusegate that all cases share.
    Cluster,
}

/// A case's documents, and fusegate on them.
pub(super) enum Store {
    Folder(Box<Folder>),
    Cluster(Box<Access>),
}

impl Store {
    /// Nothing but fusegate; what will be stored is of this API group.
    pub(super) async fn open(place: Place, group: &str) -> Result<Self> {
        match place {
            Place::Folder => Ok(Self::Folder(Box::new(Folder::start(&[]).await?))),
            Place::Cluster => Ok(Self::Cluster(Box::new(Access::new(group).await?))),
        }
    }

    /// Stores a document, in place of the one of this name.
    pub(super) async fn put(&mut self, name: &str, document: &str) -> Result<()> {
        match self {
            Self::Folder(folder) => folder.put(&format!("{name}.yaml"), document),
            Self::Cluster(access) => access.put(document).await,
        }
    }

    pub(super) fn fusegate(&self) -> &Fusegate {
        match self {
            Self::Folder(folder) => &folder.fusegate,
            Self::Cluster(access) => &access.cluster.fusegate,
        }
    }

    pub(super) fn audit(&self) -> &Path {
        match self {
            Self::Folder(folder) => &folder.audit,
            Self::Cluster(access) => &access.cluster.audit,
        }
    }

    pub(super) fn namespace(&self) -> &str {
        match self {
            Self::Folder(_) => "cases",
            Self::Cluster(access) => &access.namespace,
        }
    }

    /// The name that a contract or CRD of the inputs has here.
    pub(super) fn renamed(&self, name: &str) -> String {
        match self {
            Self::Folder(_) => name.to_owned(),
            Self::Cluster(access) => access.renamed(name),
        }
    }

    /// The status of an object of our own kinds.
    pub(super) async fn status(&self, kind: &str, name: &str) -> Result<Value> {
        match self {
            Self::Folder(folder) => folder.status(kind, self.namespace(), name),
            Self::Cluster(access) => access.status(kind, name).await,
        }
    }
}

/// A directory and the fusegate that watches it.
pub(super) struct Folder {
    pub(super) fusegate: Fusegate,
    pub(super) audit: PathBuf,
    pub(super) watched: PathBuf,
    scratch: Scratch,
}

impl Folder {
    /// Begins with these files.
    pub(super) async fn start(files: &[(&str, &str)]) -> Result<Self> {
        Self::start_with(files, &[]).await
    }

    /// The same, with these arguments.
    pub(super) async fn start_with(files: &[(&str, &str)], args: &[String]) -> Result<Self> {
        let scratch = Scratch::new("case")?;
        let watched = scratch.path().join("watched");
        write_all(&watched, files)?;
        Self::start_at(scratch, watched, args).await
    }

    /// Begins on what is at this path of a scratch folder.
    pub(super) async fn start_at(
        scratch: Scratch,
        watched: PathBuf,
        args: &[String],
    ) -> Result<Self> {
        let audit = scratch.path().join("audit.jsonl");
        let own = [
            format!("--source=dir:{}", watched.display()),
            format!("--audit={}", audit.display()),
        ];
        let args = own.into_iter().chain(args.iter().cloned());
        let fusegate = Fusegate::start(FusegateConfig::args(args));
        Ok(Self {
            fusegate: fusegate.await?,
            audit,
            watched,
            scratch,
        })
    }

    /// The folder that everything is in which fusegate writes, its log apart.
    pub(super) fn root(&self) -> &Path {
        self.scratch.path()
    }

    /// Renames a file into the directory, or over the one that is there.
    pub(super) fn put(&self, file: &str, text: &str) -> Result<()> {
        let whole = self.scratch.write("next", text)?;
        fs::rename(whole, self.watched.join(file)).with_context(|| format!("write {file}"))
    }

    /// The status of an object of our own kinds; only a contract has no namespace.
    pub(super) fn status(&self, kind: &str, namespace: &str, name: &str) -> Result<Value> {
        let namespace = match kind {
            "ConditionContract" => "",
            _ => namespace,
        };
        let status = Layout::new(&self.watched).read_status(kind, namespace, name)?;
        status.with_context(|| format!("no status of {kind} {name}"))
    }
}

/// Makes a folder of these files.
pub(super) fn write_all(folder: &Path, files: &[(&str, &str)]) -> Result<()> {
    fs::create_dir(folder)?;
    for (name, text) in files {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}

/// An API server with fusegate on it.
struct Cluster {
    server: ApiServer,
    fusegate: Fusegate,
    audit: PathBuf,
    _scratch: Scratch,
}

impl Cluster {
    /// The one that the cases of this process share: a fusegate watches all namespaces.
    async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    async fn start() -> Result<Self> {
        let server = ApiServer::start().await?;
        for crd in fusegate_crds::all() {
            server.establish(&crd).await?;
        }
        create_namespace(&server.client().await?, NAMESPACE).await?;
        let scratch = Scratch::new("cases")?;
        let audit = scratch.path().join("audit.jsonl");
        let fusegate = Fusegate::start(FusegateConfig::args([
            format!("--kubeconfig={}", server.kubeconfig_path().display()),
            format!("--namespace={NAMESPACE}"),
            "--replica=one".to_owned(),
            format!("--audit={}", audit.display()),
        ]));
        Ok(Self {
            fusegate: fusegate.await?,
            server,
            audit,
            _scratch: scratch,
        })
    }
}

/// The shared cluster as one case writes to it, in a namespace and with an API group of its own.
pub(super) struct Access {
    cluster: &'static Cluster,
    client: Client,
    namespace: String,
    /// The group of the inputs, and what it is here.
    group: [String; 2],
}

impl Access {
    async fn new(group: &str) -> Result<Self> {
        let cluster = Cluster::shared().await?;
        let client = cluster.server.client().await?;
        let namespace = unique("case");
        create_namespace(&client, &namespace).await?;
        Ok(Self {
            cluster,
            client,
            group: [group.to_owned(), format!("{group}.{namespace}.example.com")],
            namespace,
        })
    }

    fn renamed(&self, name: &str) -> String {
        let [written, group] = &self.group;
        name.replace(written, group)
    }

    async fn put(&self, document: &str) -> Result<()> {
        let here = format!("namespace: {}", self.namespace);
        let document = self.renamed(document).replace(WRITTEN, &here);
        let mut document: Value = serde_saphyr::from_str(&document)?;
        if document["kind"] == "CustomResourceDefinition" {
            let crd: CustomResourceDefinition = serde_json::from_value(document)?;
            return self.cluster.server.establish(&crd).await;
        }
        let status = document
            .as_object_mut()
            .and_then(|fields| fields.remove("status"));
        apply(&self.client, &self.namespace, &document, Keep::Yes).await?;
        match status {
            Some(status) => self.write_status(&document, &status).await,
            None => Ok(()),
        }
    }

    /// Puts a status in place of the one before.
    async fn write_status(&self, document: &Value, status: &Value) -> Result<()> {
        let object: DynamicObject = serde_json::from_value(document.clone())?;
        let types = object.types.clone().context("no apiVersion and kind")?;
        let kind = GroupVersionKind::try_from(&types)?;
        let (resource, _) = discovery::pinned_kind(&self.client, &kind).await?;
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let patch = json!([{"op": "add", "path": "/status", "value": status}]);
        let patch: Patch<Value> = Patch::Json(serde_json::from_value(patch)?);
        let name = object.metadata.name.unwrap_or_default();
        let written = api
            .patch_status(&name, &PatchParams::default(), &patch)
            .await;
        written.with_context(|| format!("write the status of {name}"))?;
        Ok(())
    }

    async fn status(&self, kind: &str, name: &str) -> Result<Value> {
        let kind = GroupVersionKind::gvk("fusegate.io", "v1alpha1", kind);
        let (resource, capabilities) = discovery::pinned_kind(&self.client, &kind).await?;
        let client = self.client.clone();
        let api: Api<DynamicObject> = match capabilities.scope {
            discovery::Scope::Cluster => Api::all_with(client, &resource),
            discovery::Scope::Namespaced => {
                Api::namespaced_with(client, &self.namespace, &resource)
            }
        };
        Ok(api.get(name).await?.data["status"].clone())
    }
}

async fn create_namespace(client: &Client, name: &str) -> Result<()> {
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(name.to_owned());
    let namespaces = Api::all(client.clone());
    let created = namespaces.create(&PostParams::default(), &namespace).await;
    created.with_context(|| format!("create namespace {name}"))?;
    Ok(())
}
