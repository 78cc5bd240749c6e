//! `fusegate proxies`: the Envoys that are connected to a replica, and what they have.

mod table;

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::cli::server::{ServerOptions, Unanswered};
use crate::serve::proxies::Proxy;

/// The proxies of one question.
const PAGE: usize = 500;

/// Examples, for the help.
const EXAMPLES: &str = "\
Examples:
  fusegate proxies                                  every Envoy of the replica on this machine
  fusegate proxies --behind                         those that have not taken all that is published
  fusegate proxies --layer shop --output json       those that read a layer, with everything that is known of them
  fusegate proxies --server http://10.0.3.4:8080    those of another replica: each knows its own only";

/// Options of `fusegate proxies`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Proxies {
    /// Which replica is asked.
    #[command(flatten)]
    pub server: ServerOptions,

    /// Only Envoys with this `node.id`.
    #[arg(long, value_name = "ID")]
    pub node: Option<String>,

    /// Only Envoys with this `node.cluster`.
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,

    /// Only Envoys that subscribe to this layer.
    #[arg(long, value_name = "NAME")]
    pub layer: Option<String>,

    /// Only Envoys that have not taken all that is published.
    #[arg(long)]
    pub behind: bool,

    /// How they are listed.
    #[arg(long, short, default_value = "table", value_name = "FORMAT")]
    pub output: Output,
}

/// How they are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people, a line for each Envoy and type.
    Table,
    /// One JSON document, as `GET /v1/proxies` answers, complete.
    Json,
}

/// Why they could not be listed.
#[derive(Debug, thiserror::Error)]
pub enum Unlisted {
    /// Nobody told.
    #[error(transparent)]
    Server(#[from] Unanswered),
    /// The output.
    #[error("writing the list")]
    Write(#[source] io::Error),
    /// The output, as JSON.
    #[error("writing the list as JSON")]
    Encode(#[source] serde_json::Error),
}

/// A page, as it is answered.
#[derive(Debug, Deserialize)]
struct Page {
    items: Vec<Proxy>,
    r#continue: Option<String>,
}

/// All pages.
#[derive(Debug, Serialize)]
struct Whole {
    items: Vec<Proxy>,
}

impl Proxies {
    /// Asks for all of them, and lists them.
    pub async fn print(&self, out: &mut impl Write) -> Result<(), Unlisted> {
        let items = self.ask().await?;
        match self.output {
            Output::Json => {
                serde_json::to_writer_pretty(&mut *out, &Whole { items })
                    .map_err(Unlisted::Encode)?;
                writeln!(out).map_err(Unlisted::Write)
            }
            Output::Table if items.is_empty() => writeln!(
                out,
                "no proxy that matches is connected to {}",
                self.server.server
            )
            .map_err(Unlisted::Write),
            Output::Table => table::write(&items, out).map_err(Unlisted::Write),
        }
    }

    async fn ask(&self) -> Result<Vec<Proxy>, Unlisted> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let limit = PAGE.to_string();
            let query = self.query(&limit, after.as_deref());
            let page: Page = self.server.get("v1/proxies", &query).await?;
            all.extend(page.items);
            after = page.r#continue;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    fn query<'a>(
        &'a self,
        limit: &'a str,
        after: Option<&'a str>,
    ) -> [(&'static str, Option<&'a str>); 6] {
        [
            ("limit", Some(limit)),
            ("continue", after),
            ("node", self.node.as_deref()),
            ("cluster", self.cluster.as_deref()),
            ("layer", self.layer.as_deref()),
            ("behind", self.behind.then_some("true")),
        ]
    }
}

#[cfg(test)]
mod tests;
