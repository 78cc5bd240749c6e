//! A client: the connection to an API server, from a kubeconfig or the pod's own account.

use std::path::{Path, PathBuf};

use kube::config::{InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

/// Why there is no client. Each says what to give.
#[derive(Debug, thiserror::Error)]
pub enum NoClient {
    /// The file that was named.
    #[error("reading --kubeconfig {}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: KubeconfigError,
    },
    /// Neither a file nor an account was found.
    #[error(
        "finding an API server; give --kubeconfig FILE, run in a pod, or work on a directory with --source dir:PATH"
    )]
    Infer(#[from] InferConfigError),
    /// What was found can't be used.
    #[error("setting up the API client")]
    Client(#[from] kube::Error),
}

/// The API server that a kubeconfig names; without one that of the usual places, then the pod's own.
///
/// # Errors
///
/// When there is none, or its credentials can't be read.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, NoClient> {
    let config = match kubeconfig {
        Some(path) => {
            let unread = |source| NoClient::Kubeconfig {
                path: path.to_owned(),
                source,
            };
            let file = Kubeconfig::read_from(path).map_err(unread)?;
            let options = KubeConfigOptions::default();
            let config = Config::from_custom_kubeconfig(file, &options).await;
            config.map_err(unread)?
        }
        None => Config::infer().await?,
    };
    Ok(Client::try_from(config)?)
}
