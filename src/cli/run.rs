//! `fusegate run`: its options.

pub mod http;
pub mod traces;
pub mod webhook;
pub mod xds;

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use crate::cli::kube::KubeOptions;
use crate::runtime::shard::{Shard, Share};

/// Options of `fusegate run`. Each can be given by flag or by environment.
#[derive(Args, Clone, Debug)]
pub struct Run {
    /// Where contracts, policies and objects come from: `kube`, or `dir:PATH` for a
    /// directory of YAML files, which is then the store as well.
    #[arg(
        long,
        env = "FUSEGATE_SOURCE",
        default_value = "kube",
        value_name = "kube|dir:PATH"
    )]
    pub source: Source,

    /// The folder in which fusegate keeps its own state of a directory, in `.fusegate` there: statuses, revisions
    /// and the lock. By default the directory itself, or, where a link is swapped to change all its files at
    /// once (git-sync), the folder of that link. Give each of several fusegates its own.
    #[arg(long, env = "FUSEGATE_STATE", value_name = "DIR")]
    pub state: Option<PathBuf>,

    /// The API server.
    #[command(flatten)]
    pub kube: KubeOptions,

    /// fusegate's own namespace: its lease and the stored CRD revisions live there, and its policies judge
    /// cluster-scoped kinds. By default `fusegate-system`, and `default` with a directory.
    #[arg(long, env = "FUSEGATE_NAMESPACE", value_name = "NAME")]
    pub namespace: Option<String>,

    /// Which part of all namespaces this replica judges, where one can't hold all of them: its number and how many there
    /// are, such as `2/3`. Replicas of one shard share a lease. Each namespace belongs to one shard with all that is in it;
    /// what is in none belongs to the first. `fusegate shards` says which is whose.
    #[arg(
        long,
        env = "FUSEGATE_SHARD",
        default_value = "1/1",
        value_name = "NUMBER/TOTAL"
    )]
    pub shard: Shard,

    /// This replica's name in the lease; must differ between replicas.
    #[arg(
        long,
        env = "HOSTNAME",
        default_value = "fusegate",
        value_name = "NAME"
    )]
    pub replica: String,

    /// Where profiles are served that `go tool pprof` reads, at `/debug/pprof/heap` and `/debug/pprof/profile`; nowhere
    /// unless given. Nobody is asked for a token there, so keep it on the loopback address, which `kubectl port-forward`
    /// reaches. A profile is written to a temporary file first (`TMPDIR`).
    #[arg(
        long,
        env = "FUSEGATE_DEBUG_LISTEN",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "127.0.0.1:6060",
        value_name = "ADDRESS:PORT"
    )]
    pub debug_listen: Option<SocketAddr>,

    /// An Alertmanager to send alerts to; repeat it, or separate by commas, for every instance. Credentials in the
    /// URL are used for basic authentication.
    #[arg(
        long = "alertmanager",
        env = "FUSEGATE_ALERTMANAGERS",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "URL"
    )]
    pub alertmanagers: Vec<SecretUrl>,

    /// How Alertmanagers are reached: a YAML file with `authorization`, `basic_auth` and `tls_config` as in
    /// Prometheus, with secrets in files of their own. All of them are read again when they change.
    #[arg(long, env = "FUSEGATE_ALERTMANAGER_HTTP_CONFIG", value_name = "FILE")]
    pub alertmanager_http_config: Option<PathBuf>,

    /// A Prometheus that answers the queries of contracts; repeat it, or separate by commas, for several that know the
    /// same, which are asked in this order until one answers. Credentials in the URL are used for basic authentication.
    #[arg(
        long,
        env = "FUSEGATE_PROMETHEUS",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "URL"
    )]
    pub prometheus: Vec<SecretUrl>,

    /// How Prometheus is reached: a YAML file as for `--alertmanager-http-config`, without `server_name`.
    #[arg(long, env = "FUSEGATE_PROMETHEUS_HTTP_CONFIG", value_name = "FILE")]
    pub prometheus_http_config: Option<PathBuf>,

    /// Where audit lines go, one JSON object each; `-` is standard output.
    #[arg(
        long,
        env = "FUSEGATE_AUDIT",
        default_value = "-",
        value_name = "FILE|-"
    )]
    pub audit: PathBuf,

    /// Record everything that is decided upon, for `fusegate replay FILE`. The recording of the run before is
    /// kept as FILE.1, and an earlier one as FILE.2, so that a crash loop does not push out what came before it.
    /// A recording holds the statuses of all judged objects, and what else of them contracts read, so keep it as safe
    /// as those.
    #[arg(long, env = "FUSEGATE_RECORD", value_name = "FILE")]
    pub record: Option<PathBuf>,

    /// How large a recording may become, in MiB. It then ends, since without its beginning it could not be
    /// replayed; fusegate goes on, and a restart begins a new one.
    #[arg(
        long,
        env = "FUSEGATE_RECORD_LIMIT",
        default_value_t = 1_024,
        value_name = "MIB"
    )]
    pub record_limit: u64,

    /// The `cluster` label of alerts.
    #[arg(
        long,
        env = "FUSEGATE_CLUSTER",
        default_value = "default",
        value_name = "NAME"
    )]
    pub cluster: String,

    /// How people reach this installation's HTTP port, for links in alerts.
    #[arg(
        long,
        env = "FUSEGATE_LINK",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    pub link: String,

    /// How logs look. What is logged is set by `RUST_LOG`, `info` by default.
    #[arg(
        long,
        env = "FUSEGATE_LOG_FORMAT",
        default_value = "human",
        value_name = "FORMAT"
    )]
    pub log_format: LogFormat,

    /// The HTTP port.
    #[command(flatten)]
    pub http: http::Http,

    /// The webhook.
    #[command(flatten)]
    pub webhook: webhook::Webhook,

    /// The xDS port.
    #[command(flatten)]
    pub xds: xds::Xds,

    /// Traces.
    #[command(flatten)]
    pub traces: traces::Traces,
}

impl Run {
    /// fusegate's own namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        let default = match self.source {
            Source::Kube => "fusegate-system",
            // The namespace of whatever names none in a directory.
            Source::Dir(_) => "default",
        };
        self.namespace.as_deref().unwrap_or(default)
    }

    /// The namespaces that it judges.
    #[must_use]
    pub fn share(&self) -> Share {
        Share::new(self.shard, self.namespace())
    }
}

/// Where everything comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A Kubernetes API server.
    Kube,
    /// A directory of YAML files.
    Dir(PathBuf),
}

/// A URL that may hold credentials: it is never printed, and checked only when it is used, because clap repeats in
/// its messages what it can't read.
#[derive(Clone)]
pub struct SecretUrl(pub String);

impl FromStr for SecretUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for SecretUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretUrl(…)")
    }
}

/// How logs look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Text that names no source.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is no source; write kube, or dir:PATH with the path of a directory")]
pub struct InvalidSource(String);

impl FromStr for Source {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            None if text == "kube" => Ok(Self::Kube),
            Some(("dir", path)) if !path.is_empty() => Ok(Self::Dir(path.into())),
            _ => Err(InvalidSource(text.to_owned())),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kube => f.write_str("kube"),
            Self::Dir(path) => write!(f, "dir:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_directory_is_a_source() {
        let cli =
            Cli::try_parse_from(["fusegate", "run", "--source", "dir:/etc/fusegate"]).unwrap();
        let Command::Run(run) = cli.command else {
            panic!("not run")
        };
        assert_eq!(run.source, Source::Dir("/etc/fusegate".into()));
    }

    #[test]
    fn anything_else_is_answered_with_what_can_be_written() {
        let refused = Cli::try_parse_from(["fusegate", "run", "--source", "etcd"]).unwrap_err();
        assert!(
            refused.to_string().contains("write kube, or dir:PATH"),
            "{refused}"
        );
    }
}
