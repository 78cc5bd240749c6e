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
use crate::runtime::authority::{Material, Pair};

/// The deadline of a request: without it, kube's client retries for many minutes.
const WITHIN: Duration = Duration::from_secs(5);

/// Where the certificates are kept.
pub(super) struct Secrets {
    api: Api<Secret>,
    namespace: String,
    name: String,
}

/// What the webhook proves itself with.
#[derive(PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) leaf: Pair,
    /// The authorities by which the API server verifies it, as PEM; empty where those of its system do.
    pub(super) authorities: String,
    /// What stands in the path of every review.
    pub(super) token: String,
}

/// The Secret as it was read.
pub(super) struct Stored {
    pub(super) material: Option<Material>,
    /// `None` where there is no Secret.
    version: Option<String>,
}

impl From<Material> for Proof {
    fn from(material: Material) -> Self {
        Self {
            authorities: material.bundle(),
            leaf: material.leaf,
            token: material.token,
        }
    }
}

impl Secrets {
    pub(super) fn new(cluster: &Cluster, name: &str) -> Self {
        Self {
            api: Api::namespaced(cluster.client.clone(), &cluster.namespace),
            namespace: cluster.namespace.clone(),
            name: name.to_owned(),
        }
    }

    /// Reads what is stored.
    pub(super) async fn read(&self) -> anyhow::Result<Stored> {
        let Some((metadata, fields)) = self.get().await? else {
            return Ok(Stored {
                material: None,
                version: None,
            });
        };
        Ok(Stored {
            material: Material::read(&fields),
            version: metadata.resource_version,
        })
    }

    /// Reads a certificate for this name, which somebody else makes.
    ///
    /// The Secret's uid is the token: it is random, the same on every replica, stays when the certificate is renewed, and
    /// whoever may read it may read the key as well.
    pub(super) async fn given(&self, name: &str) -> anyhow::Result<Proof> {
        let (secret, namespace) = (&self.name, &self.namespace);
        let found = self.get().await?;
        let (metadata, fields) = found.with_context(|| {
            format!("there is no Secret {secret} in namespace {namespace}; have it made, with tls.crt, tls.key and ca.crt")
        })?;
        let leaf = Pair::stored(&fields).with_context(|| {
            format!("Secret {secret} in namespace {namespace} needs a certificate as tls.crt and its key as tls.key, both as PEM")
        })?;
        if !leaf.is_for(name) {
            bail!(
                "the certificate in Secret {secret} of namespace {namespace} is not for {name}; have it made with that name"
            );
        }
        let authorities = fields.get("ca.crt").cloned().unwrap_or_default();
        Ok(Proof {
            leaf,
            authorities: String::from_utf8(authorities).context("ca.crt is no text")?,
            token: metadata.uid.unwrap_or_default(),
        })
    }

    async fn get(&self) -> anyhow::Result<Option<(ObjectMeta, BTreeMap<String, Vec<u8>>)>> {
        let found = self.within(self.api.get_opt(&self.name), "reading").await?;
        Ok(found.map(|secret| {
            let data = secret.data.unwrap_or_default().into_iter();
            let fields = data.map(|(name, ByteString(bytes))| (name, bytes));
            (secret.metadata, fields.collect())
        }))
    }

    /// Stores in place of what was read, and of nothing else.
    pub(super) async fn write(&self, before: &Stored, material: &Material) -> anyhow::Result<()> {
        let fields = material.fields().into_iter();
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
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
                self.within(self.api.replace(&self.name, &params, &secret), "updating")
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
        let (name, namespace) = (&self.name, &self.namespace);
        let doing = || format!("{act} Secret {name} in namespace {namespace}");
        match timeout(WITHIN, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(kube::Error::Api(status))) if status.code == 403 => {
                let what = anyhow!("{}", status.message);
                Err(what).with_context(|| format!("{}; fusegate needs get of this one, and for certificates that it makes itself update of it and create of secrets", doing()))
            }
            Ok(Err(error)) => Err(error).with_context(doing),
            Err(_) => bail!(
                "{}: the API server did not answer within {WITHIN:?}",
                doing()
            ),
        }
    }
}
