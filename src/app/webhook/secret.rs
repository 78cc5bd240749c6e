//! The Secret in which the replicas share the webhook's certificates.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::PostParams;
use tokio::time::timeout;

use crate::effects::cluster::{Cluster, MANAGER};
use crate::runtime::authority::Material;

/// The deadline of a request: without it, kube's client retries for many minutes.
const WITHIN: Duration = Duration::from_secs(5);

/// Where the certificates are kept.
pub(super) struct Secrets {
    api: Api<Secret>,
    namespace: String,
    name: &'static str,
}

/// The Secret as it was read.
pub(super) struct Stored {
    pub(super) material: Option<Material>,
    /// `None` where there is no Secret.
    version: Option<String>,
}

impl Secrets {
    pub(super) fn new(cluster: &Cluster, name: &'static str) -> Self {
        Self {
            api: Api::namespaced(cluster.client.clone(), &cluster.namespace),
            namespace: cluster.namespace.clone(),
            name,
        }
    }

    /// Reads what is stored.
    pub(super) async fn read(&self) -> anyhow::Result<Stored> {
        let found = self.within(self.api.get_opt(self.name), "reading").await?;
        let Some(secret) = found else {
            return Ok(Stored {
                material: None,
                version: None,
            });
        };
        let data = secret.data.unwrap_or_default().into_iter();
        let fields: BTreeMap<String, Vec<u8>> = data
            .map(|(name, ByteString(bytes))| (name, bytes))
            .collect();
        Ok(Stored {
            material: Material::read(&fields),
            version: secret.metadata.resource_version,
        })
    }

    /// Stores in place of what was read, and of nothing else.
    pub(super) async fn write(&self, before: &Stored, material: &Material) -> anyhow::Result<()> {
        let fields = material.fields().into_iter();
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(self.name.to_owned()),
                resource_version: before.version.clone(),
                labels: Some(BTreeMap::from([(
                    "app.kubernetes.io/managed-by".to_owned(),
                    "fusegate".to_owned(),
                )])),
                ..ObjectMeta::default()
            },
            data: Some(
                fields
                    .map(|(name, bytes)| (name, ByteString(bytes)))
                    .collect(),
            ),
            ..Secret::default()
        };
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let written = match before.version {
            Some(_) => {
                self.within(self.api.replace(self.name, &params, &secret), "updating")
                    .await
            }
            None => {
                self.within(self.api.create(&params, &secret), "creating")
                    .await
            }
        };
        written.map(drop)
    }

    async fn within<T>(
        &self,
        request: impl Future<Output = kube::Result<T>>,
        act: &str,
    ) -> anyhow::Result<T> {
        let (name, namespace) = (self.name, &self.namespace);
        let doing = || format!("{act} Secret {name} in namespace {namespace}");
        match timeout(WITHIN, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(kube::Error::Api(status))) if status.code == 403 => {
                let what = anyhow!("{}", status.message);
                Err(what).with_context(|| format!("{}; fusegate needs create of secrets there, and get and update of this one", doing()))
            }
            Ok(Err(error)) => Err(error).with_context(doing),
            Err(_) => bail!(
                "{}: the API server did not answer within {WITHIN:?}",
                doing()
            ),
        }
    }
}
