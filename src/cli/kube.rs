//! The API server that a command asks: which one, and where fusegate is in it.

use std::path::PathBuf;

use clap::Args;
use kube::Client;

use crate::effects::cluster::Cluster;
use crate::runtime::client::{self, NoClient};

/// Which API server is asked.
#[derive(Args, Clone, Debug)]
pub struct KubeOptions {
    /// The kubeconfig to use; without it the usual places, then the pod's own account.
    #[arg(long, env = "FUSEGATE_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// Which, and where fusegate is in it.
#[derive(Args, Clone, Debug)]
pub struct ClusterOptions {
    /// The API server.
    #[command(flatten)]
    pub kube: KubeOptions,

    /// fusegate's own namespace, where its lease and the stored revisions are.
    #[arg(
        long,
        env = "FUSEGATE_NAMESPACE",
        default_value = "fusegate-system",
        value_name = "NAME"
    )]
    pub namespace: String,
}

impl KubeOptions {
    /// A client of it.
    ///
    /// # Errors
    ///
    /// When there is none, or its credentials can't be read.
    pub(crate) async fn connect(&self) -> Result<Client, NoClient> {
        client::connect(self.kubeconfig.as_deref()).await
    }
}

impl ClusterOptions {
    /// The cluster, as fusegate itself would see it.
    pub(crate) async fn open(&self) -> Result<Cluster, NoClient> {
        Ok(Cluster {
            client: self.kube.connect().await?,
            namespace: self.namespace.clone(),
        })
    }
}
