//! A cluster: an API server with fusegate on it.
//!
//! A fusegate watches all namespaces and leads alone in its own, so two on one API server would write the same statuses.
//! That is why stories have an API server apart from the other tests, and one fusegate on it for all of them.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use axum::http::{Request, header::CONTENT_TYPE};
use fusegate::source::kube::revision;
use http_body_util::BodyExt as _;
use k8s_openapi::{
    api::{
        admissionregistration::v1::ValidatingAdmissionPolicy, apps::v1::ControllerRevision,
        core::v1::Namespace, events::v1::Event,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::{documents::Documents, rights, wire::Wire};
use crate::support::{
    fusegate::{Fusegate, FusegateConfig},
    scratch::Scratch,
    servers::apiserver::{ApiServer, SERVICE_TOKEN, TOKEN},
    servers::ports,
};

/// Where fusegate has its lease and the stored revisions.
pub(super) const NAMESPACE: &str = "fusegate-system";

/// What fusegate may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rights {
    /// Everything.
    All,
    /// What the manifests in `deploy/` grant, and none yet for any contracted kind.
    Granted,
}

/// An API server and the fusegate that watches it.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) server: ApiServer,
    pub(super) fusegate: Fusegate,
    pub(super) audit: PathBuf,
    pub(super) wire: Option<Wire>,
    config: FusegateConfig,
    scratch: Scratch,
}

impl Cluster {
    /// The one that the stories of this process share.
    pub(super) async fn shared(base: FusegateConfig) -> Result<&'static Self> {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED
            .get_or_try_init(async || {
                Self::start(base, ApiServer::start().await?, None, Rights::All).await
            })
            .await
    }

    /// One of one's own, with a wire between fusegate and the API server.
    pub(super) async fn own(base: FusegateConfig, rights: Rights) -> Result<Self> {
        let server = ApiServer::start().await?;
        let address: SocketAddr = server.url().replace("https://", "").parse()?;
        let wire = Wire::to(address).await?;
        Self::start(base, server, Some(wire), rights).await
    }

    async fn start(
        base: FusegateConfig,
        server: ApiServer,
        wire: Option<Wire>,
        rights: Rights,
    ) -> Result<Self> {
        prepare(&server, base.program.as_deref()).await?;
        let scratch = Scratch::new("cluster")?;
        let audit = scratch.path().join("audit.jsonl");
        let mut kubeconfig = fs::read_to_string(server.kubeconfig_path())?;
        if let Some(wire) = &wire {
            let through = format!("https://{}", wire.address());
            kubeconfig = kubeconfig.replace(&server.url(), &through);
        }
        if rights == Rights::Granted {
            rights::install(&server).await?;
            kubeconfig = kubeconfig.replace(TOKEN, SERVICE_TOKEN);
        }
        let kubeconfig = scratch.write("kubeconfig", kubeconfig)?;
        let webhook = ports::loopback(ports::free()?);
        let args = [
            "--source=kube".to_owned(),
            format!("--webhook-listen={webhook}"),
            format!("--webhook-url=https://{webhook}"),
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--namespace={NAMESPACE}"),
            "--replica=one".to_owned(),
            "--cluster=test".to_owned(),
            format!("--audit={}", audit.display()),
        ];
        let config = args.into_iter().fold(base, FusegateConfig::arg);
        let fusegate = Fusegate::start(config.clone()).await?;
        Ok(Self {
            server,
            fusegate,
            audit,
            wire,
            config,
            scratch,
        })
    }

    /// How its fusegate was started, without some of the options.
    pub(super) fn config_without(&self, options: &[&str]) -> FusegateConfig {
        let mut config = self.config.clone();
        let own = |arg: &String| options.iter().any(|option| arg.starts_with(option));
        config.args.retain(|arg| !own(arg));
        config
    }

    /// A folder for the files of another replica.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.scratch.path().join(name);
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// One more replica, which the API server does not ask.
    pub(super) async fn replica(&self, name: &str) -> Result<Fusegate> {
        let config = self.config_without(&["--replica=", "--webhook-listen=", "--audit="]);
        let audit = self.scratch.path().join(format!("{name}.jsonl"));
        let args = [
            format!("--replica={name}"),
            format!("--webhook-listen={}", ports::loopback(ports::free()?)),
            format!("--audit={}", audit.display()),
        ];
        Fusegate::start(args.into_iter().fold(config, FusegateConfig::arg)).await
    }
}

/// Makes what an installation begins with: our own CRDs, or another fusegate's, and fusegate's namespace.
async fn prepare(server: &ApiServer, program: Option<&Path>) -> Result<()> {
    let crds = program.map_or_else(|| Ok(fusegate_crds::all()), printed_crds)?;
    for crd in crds {
        server.establish(&crd).await?;
    }
    let mut namespace = Namespace::default();
    namespace.metadata.name = Some(NAMESPACE.to_owned());
    Api::all(server.client().await?)
        .create(&PostParams::default(), &namespace)
        .await
        .context("create fusegate's namespace")?;
    Ok(())
}

/// The CRDs that a fusegate prints.
fn printed_crds(program: &Path) -> Result<Vec<CustomResourceDefinition>> {
    let printed = Command::new(program).arg("crds").output()?;
    ensure!(printed.status.success(), "{printed:?}");
    let text = String::from_utf8(printed.stdout)?;
    Ok(serde_saphyr::from_multiple(&text)?)
}

/// What the API server answered to a write.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) warnings: Vec<String>,
    pub(super) message: String,
}

/// A cluster as one story writes to it; the client belongs to the story's runtime.
#[derive(Clone)]
pub(super) struct Access {
    client: Client,
    documents: Documents,
}

impl Access {
    pub(super) async fn new(cluster: &Cluster, documents: &Documents) -> Result<Self> {
        let client = cluster.server.client().await?;
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(documents.namespace.clone());
        Api::all(client.clone())
            .create(&PostParams::default(), &namespace)
            .await
            .context("create the story's namespace")?;
        Ok(Self {
            client,
            documents: documents.clone(),
        })
    }

    /// The same in another namespace.
    pub(super) fn within(&self, namespace: &str) -> Self {
        let mut within = self.clone();
        namespace.clone_into(&mut within.documents.namespace);
        within
    }

    /// Creates the CRD, or brings it to another revision.
    pub(super) async fn apply_crd(&self, server: &ApiServer, revision: u32) -> Result<()> {
        let crd: CustomResourceDefinition = serde_json::from_value(self.documents.crd(revision))?;
        let name = self.documents.crd_name();
        if self.crds().get_opt(&name).await?.is_none() {
            return server.establish(&crd).await;
        }
        self.patch_crd(revision, &PatchParams::default()).await
    }

    /// Brings our own CRDs to what this fusegate has, as an upgrade does.
    pub(super) async fn upgrade_crds(&self) -> Result<()> {
        let apply = PatchParams::apply("upgrade").force();
        for crd in fusegate_crds::all() {
            let name = crd.name_any();
            self.crds().patch(&name, &apply, &Patch::Apply(crd)).await?;
        }
        Ok(())
    }

    /// A dry run of bringing the CRD to another revision.
    pub(super) async fn dry_run_of_crd(&self, revision: u32) -> Result<()> {
        let dry = PatchParams {
            dry_run: true,
            ..PatchParams::default()
        };
        self.patch_crd(revision, &dry).await
    }

    async fn patch_crd(&self, revision: u32, how: &PatchParams) -> Result<()> {
        // A test that is about another field of the CRD must not fail on this one.
        let spec = Patch::Merge(json!({"spec": self.documents.crd(revision)["spec"]}));
        self.crds()
            .patch(&self.documents.crd_name(), how, &spec)
            .await?;
        Ok(())
    }

    pub(super) async fn create(&self, document: &Value) -> Result<()> {
        let object: DynamicObject = serde_json::from_value(document.clone())?;
        let kind = document["kind"].as_str().unwrap_or_default();
        self.api(kind)
            .create(&PostParams::default(), &object)
            .await
            .with_context(|| format!("create {document}"))?;
        Ok(())
    }

    /// Merges a patch into an object.
    pub(super) async fn edit(&self, kind: &str, name: &str, patch: &Value) -> Result<()> {
        self.api(kind)
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    pub(super) async fn delete(&self, kind: &str, name: &str) -> Result<()> {
        self.api(kind)
            .delete(name, &DeleteParams::default())
            .await?;
        Ok(())
    }

    /// An object, if there is one of that name.
    pub(super) async fn find(&self, kind: &str, name: &str) -> Result<Option<Value>> {
        let found = self.api(kind).get_opt(name).await?;
        Ok(found.map(serde_json::to_value).transpose()?)
    }

    /// The Events about an object, oldest first.
    pub(super) async fn events(&self, uid: &str) -> Result<Vec<Event>> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), &self.documents.namespace);
        let mut events = events.list(&ListParams::default()).await?.items;
        events.retain(|event| {
            let regarding = event.regarding.as_ref();
            regarding.and_then(|regarding| regarding.uid.as_deref()) == Some(uid)
        });
        events.sort_by(|one, other| one.event_time.cmp(&other.event_time));
        Ok(events)
    }

    /// Puts a status in place of the one before.
    pub(super) async fn write_status(&self, name: &str, status: &Value) -> Result<()> {
        self.write_status_of("Storefront", name, status).await
    }

    /// Puts a status in place of the one before, of an object of any kind of the story's group.
    pub(super) async fn write_status_of(
        &self,
        kind: &str,
        name: &str,
        status: &Value,
    ) -> Result<()> {
        let patch = json!([{"op": "add", "path": "/status", "value": status}]);
        let patch: Patch<Value> = Patch::Json(serde_json::from_value(patch)?);
        self.api(kind)
            .patch_status(name, &PatchParams::default(), &patch)
            .await?;
        Ok(())
    }

    /// Puts a status in place of the one before, and returns what the server answers, whatever it is.
    pub(super) async fn answer_to_status(&self, name: &str, status: &Value) -> Result<Answer> {
        self.answer_to("", name, status).await
    }

    /// The same of a dry run.
    pub(super) async fn dry_run_of_status(&self, name: &str, status: &Value) -> Result<Answer> {
        self.answer_to("?dryRun=All", name, status).await
    }

    async fn answer_to(&self, query: &str, name: &str, status: &Value) -> Result<Answer> {
        let body = json!([{"op": "add", "path": "/status", "value": status}]);
        let request = Request::patch(format!("{}/{name}/status{query}", self.objects()));
        let request = request.header(CONTENT_TYPE, "application/json-patch+json");
        let request = request.body(body.to_string().into_bytes().into())?;
        let answer = self.client.send(request).await?;
        let (head, body) = answer.into_parts();
        let warnings = head.headers.get_all("warning").iter();
        let warnings = warnings.filter_map(|value| value.to_str().ok());
        let body: Value = serde_json::from_slice(&body.collect().await?.to_bytes())?;
        Ok(Answer {
            code: head.status.as_u16(),
            // The server quotes what it warns of.
            warnings: warnings.map(|text| text.replace("\\\"", "\"")).collect(),
            message: body["message"].as_str().unwrap_or_default().to_owned(),
        })
    }

    /// A policy of the API server, if there is one of that name.
    pub(super) async fn admission_policy(&self, name: &str) -> Result<Option<Value>> {
        let policies: Api<ValidatingAdmissionPolicy> = Api::all(self.client.clone());
        let found = policies.get_opt(name).await?;
        Ok(found.map(serde_json::to_value).transpose()?)
    }

    /// Creates an object without reading what the server answers with.
    pub(super) async fn create_raw(&self, object: &Value) -> Result<()> {
        let body = object.to_string();
        let request = Request::post(self.objects()).header(CONTENT_TYPE, "application/json");
        self.client
            .request_text(request.body(body.into_bytes())?)
            .await?;
        Ok(())
    }

    /// Puts a status, as JSON text, in place of the one before, without reading what the server answers with:
    /// it may nest deeper than a client reads.
    pub(super) async fn write_raw(&self, name: &str, status: &str) -> Result<()> {
        let body = format!("[{{\"op\":\"add\",\"path\":\"/status\",\"value\":{status}}}]");
        let request = Request::patch(format!("{}/{name}/status", self.objects()));
        let request = request.header(CONTENT_TYPE, "application/json-patch+json");
        self.client
            .request_text(request.body(body.into_bytes())?)
            .await?;
        Ok(())
    }

    pub(super) fn documents(&self) -> &Documents {
        &self.documents
    }

    fn objects(&self) -> String {
        let Documents { group, namespace } = &self.documents;
        format!("/apis/{group}/v1/namespaces/{namespace}/storefronts")
    }

    /// The status of an object of our own kinds.
    pub(super) async fn status(&self, kind: &str, name: &str) -> Result<Value> {
        let object = self.api(kind).get(name).await?;
        Ok(object.data["status"].clone())
    }

    /// The numbers of the stored revisions that are marked bad, each with its trip.
    pub(super) async fn bad_revisions(&self) -> Result<Vec<(u64, String)>> {
        let revisions: Api<ControllerRevision> = Api::namespaced(self.client.clone(), NAMESPACE);
        let mut bad = Vec::new();
        for object in revisions.list(&ListParams::default()).await? {
            let revision = revision::from_object(object)?;
            if *revision.crd == *self.documents.crd_name()
                && let Some(trip) = revision.bad
            {
                bad.push((revision.number, trip.into()));
            }
        }
        Ok(bad)
    }

    fn crds(&self) -> Api<CustomResourceDefinition> {
        Api::all(self.client.clone())
    }

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        let own = |plural: &str| {
            let gvk = GroupVersionKind::gvk("fusegate.io", "v1alpha1", kind);
            ApiResource::from_gvk_with_plural(&gvk, plural)
        };
        let namespace = &self.documents.namespace;
        let client = self.client.clone();
        match kind {
            "ConditionContract" => Api::all_with(client, &own("conditioncontracts")),
            "CircuitPolicy" => Api::namespaced_with(client, namespace, &own("circuitpolicies")),
            "CircuitOverride" => Api::namespaced_with(client, namespace, &own("circuitoverrides")),
            "CustomResourceDefinition" => {
                Api::all_with(client, &ApiResource::erase::<CustomResourceDefinition>(&()))
            }
            _ => {
                let gvk = GroupVersionKind::gvk(&self.documents.group, "v1", kind);
                let plural = format!("{}s", kind.to_lowercase());
                let resource = ApiResource::from_gvk_with_plural(&gvk, &plural);
                if kind == "Region" {
                    return Api::all_with(client, &resource);
                }
                Api::namespaced_with(client, namespace, &resource)
            }
        }
    }
}
