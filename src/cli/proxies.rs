//! `fusegate proxies`: the Envoys that are connected to a replica, and what they have.

mod table;

use std::io::{self, Write};

use bytes::Bytes;
use clap::{Args, ValueEnum};
use http::{StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};

use crate::serve::proxies::Proxy;

/// The proxies of one question.
const PAGE: usize = 500;

/// The most bytes of an answer: a page of proxies that subscribe to everything there is.
const MAX_ANSWER: usize = 64 << 20;

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
    /// The HTTP port of a replica: what it was given as `--http-listen`.
    #[arg(
        long,
        env = "FUSEGATE_SERVER",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    pub server: Uri,

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
    /// Not an address that can be asked.
    #[error("--server {0} can't be asked; write it as http://HOST:PORT")]
    Server(Uri),
    /// Nobody answers there.
    #[error(
        "no fusegate answers at {url}: {reason}; give the address of its HTTP port with --server, \
         and in a cluster forward that port first: \
         kubectl --namespace fusegate-system port-forward deployment/fusegate 8080"
    )]
    Reach {
        /// What was asked.
        url: Uri,
        /// Why.
        reason: String,
    },
    /// Somebody answers something else.
    #[error(
        "{url} answered {status}: {body}; is that the HTTP port of a fusegate of this version?"
    )]
    Answer {
        /// What was asked.
        url: Uri,
        /// What came back.
        status: StatusCode,
        /// And its words.
        body: String,
    },
    /// What came back is no list.
    #[error("{url} answered with something that is no list of proxies; is it a fusegate?")]
    Read {
        /// What was asked.
        url: Uri,
        /// Why.
        source: serde_json::Error,
    },
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
            Output::Table if items.is_empty() => {
                writeln!(out, "no proxy that matches is connected to {}", self.server)
                    .map_err(Unlisted::Write)
            }
            Output::Table => table::write(&items, out).map_err(Unlisted::Write),
        }
    }

    async fn ask(&self) -> Result<Vec<Proxy>, Unlisted> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = page(&client, self.url(after.as_deref())?).await?;
            all.extend(page.items);
            after = page.r#continue;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    fn url(&self, after: Option<&str>) -> Result<Uri, Unlisted> {
        let refused = || Unlisted::Server(self.server.clone());
        if self.server.scheme_str() != Some("http") {
            return Err(refused());
        }
        let authority = self.server.authority().ok_or_else(refused)?;
        let path = self.server.path().trim_end_matches('/');
        let limit = PAGE.to_string();
        let behind = self.behind.then_some("true");
        let parameters = [
            ("limit", Some(limit.as_str())),
            ("continue", after),
            ("node", self.node.as_deref()),
            ("cluster", self.cluster.as_deref()),
            ("layer", self.layer.as_deref()),
            ("behind", behind),
        ];
        let given = parameters
            .iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", escaped((*value)?))));
        let query = given.collect::<Vec<_>>().join("&");
        let url = format!("http://{authority}{path}/v1/proxies?{query}");
        url.parse().map_err(|_| refused())
    }
}

async fn page(client: &Client<HttpConnector, Empty<Bytes>>, url: Uri) -> Result<Page, Unlisted> {
    let unreached = |reason: String| Unlisted::Reach {
        url: url.clone(),
        reason,
    };
    let answer = client.get(url.clone()).await;
    let answer = answer.map_err(|error| unreached(innermost(&error)))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
    let body = body
        .map_err(|error| unreached(error.to_string()))?
        .to_bytes();
    if !status.is_success() {
        let body: String = String::from_utf8_lossy(&body).chars().take(500).collect();
        let body = body.trim().to_owned();
        return Err(Unlisted::Answer { url, status, body });
    }
    serde_json::from_slice(&body).map_err(|source| Unlisted::Read { url, source })
}

/// The cause of all, which is what people can do something about.
fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

/// As it may stand in a query.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| match byte {
            byte if plain(byte) => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests;
