//! The installation: what people must know of it to type the right command.

use crate::runtime::shard::Share;

/// What this installation is.
#[derive(Clone, Debug, Default)]
pub struct Installation {
    /// The `cluster` label of its alerts.
    pub cluster: String,
    /// fusegate's own namespace.
    pub namespace: String,
    /// This replica.
    pub replica: String,
    /// How people reach this port.
    pub link: String,
    /// The directory that it runs on, where that is no cluster.
    pub directory: Option<String>,
    /// How many Alertmanagers it alerts.
    pub alertmanagers: usize,
    /// Where audit lines go.
    pub audit: String,
    /// The namespaces that it judges.
    pub share: Share,
}
