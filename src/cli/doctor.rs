//! `fusegate doctor`: what is wrong with an installation, and what to do about it.

mod cluster;
mod replica;
mod text;

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use http::Uri;
use serde_json::json;

use crate::cli::format::{Format, Unwritten};
use crate::cli::gate::duration;
use crate::cli::kube::ClusterOptions;
use crate::cli::server::Proof;
use crate::cli::style::Colours;
use crate::doctor::{Finding, Look, Looks, Samples, Unreadable, replica as judge};
use crate::runtime::client::NoClient;
use crate::runtime::clock::Clock;

const EXAMPLES: &str = "\
Examples:
  fusegate doctor                                     the replica on this machine
  fusegate doctor --server http://10.0.3.4:8080 --server http://10.0.3.5:8080
                                                      several together: do they agree who leads
  fusegate doctor --metrics metrics.txt               what somebody saved from GET /metrics
  fusegate doctor --cluster                           CRDs, contracts, policies, the lease and rights as well

Exit code: 0 if nothing is wrong, 1 with any finding but notes, 2 when it can't tell.";

/// Options of `fusegate doctor`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Doctor {
    /// The HTTP port of a replica: what it was given as `--http-listen`. Repeat it for several replicas.
    #[arg(
        long,
        env = "FUSEGATE_SERVER",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    pub server: Vec<Uri>,

    /// What they are shown.
    #[command(flatten)]
    pub proof: Proof,

    /// Ask no replica, and read what `GET /metrics` answered from a file, or with `-` from standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "cluster")]
    pub metrics: Option<PathBuf>,

    /// Look at fusegate's objects, its lease and the rights of its account in the cluster too.
    #[arg(long)]
    pub cluster: bool,

    /// How long to wait between two looks at a replica, to tell what still goes wrong from what once did.
    #[arg(long, default_value = "5s", value_name = "DURATION", value_parser = duration)]
    pub over: Duration,

    /// The cluster, with `--cluster`.
    #[command(flatten)]
    pub place: ClusterOptions,

    /// How the findings are told; `wide` tells notes too.
    #[arg(long, short, default_value = "table", value_name = "FORMAT")]
    pub output: Format,
}

/// Why it can't tell.
#[derive(Debug, thiserror::Error)]
pub enum Undiagnosed {
    /// The file can't be read.
    #[error("reading {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What was read are no metrics.
    #[error("{from}: {source}")]
    Metrics {
        /// Whose.
        from: String,
        /// Why.
        source: Unreadable,
    },
    /// There is no API server to ask.
    #[error(transparent)]
    Client(#[from] NoClient),
    /// The output.
    #[error(transparent)]
    Output(#[from] Unwritten),
}

impl Doctor {
    /// Tells what is wrong, worst first. True when nothing is.
    ///
    /// # Errors
    ///
    /// When a file is not what it should be, there is no cluster to ask, or the output can't be written.
    pub async fn print(&self, colours: Colours, out: &mut impl Write) -> Result<bool, Undiagnosed> {
        let mut found = match &self.metrics {
            Some(path) => of_file(path)?,
            None => replica::ask(&self.server, &self.proof, self.over).await?,
        };
        if self.cluster {
            found.extend(cluster::ask(&self.place.open().await?).await);
        }
        found.sort();
        found.dedup();
        if !self.output.document(&json!({ "items": found }), out)? {
            text::write(&found, self.output, colours, out).map_err(Unwritten::Write)?;
        }
        Ok(!found.iter().any(text::counts))
    }
}

fn of_file(path: &Path) -> Result<Vec<Finding>, Undiagnosed> {
    let from = path.display().to_string();
    let mut text = String::new();
    let read = match from.as_str() {
        "-" => io::stdin().read_to_string(&mut text),
        _ => std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text)),
    };
    read.map_err(|source| Undiagnosed::File {
        path: path.to_owned(),
        source,
    })?;
    let samples = Samples::read(&text).map_err(|source| Undiagnosed::Metrics {
        from: from.clone(),
        source,
    })?;
    let now = Look {
        samples: &samples,
        at: seconds(),
    };
    Ok(judge(Looks {
        about: &from,
        now,
        before: None,
    }))
}

/// Now, in Unix seconds.
fn seconds() -> f64 {
    let millis = Clock::start().now().wall.0;
    #[allow(
        clippy::cast_precision_loss,
        reason = "milliseconds of some thousand years"
    )]
    let seconds = millis as f64 / 1e3;
    seconds
}

#[cfg(test)]
mod tests;
