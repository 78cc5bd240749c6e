//! A server: one Prometheus, how it is reached, and one question to it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use http::header::AUTHORIZATION;
use kube::client::ConfigExt as _;
use prometheus_http_query::{Client, Error};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::runtime::http_options::{Loaded, Unusable};
use crate::runtime::metrics::{Bound, Metrics};
use crate::runtime::server_url::ServerUrl;
use crate::source::prometheus::answer::{MOST_BYTES, read};
use crate::source::prometheus::unanswered::{cut, failed, timed_out, too_much};
use crate::wire::query::{Answered, MOST_SERIES, Query, Unanswered, UnansweredReason};

/// The most bytes of the answer to a range query, which a person waits for: two thousand moments of a thousand series.
const MOST_RANGE_BYTES: usize = 64 << 20;

/// One Prometheus.
pub(super) struct Server {
    url: ServerUrl,
    connected: ArcSwap<Connected>,
    metrics: Metrics,
}

/// A client, and the options that it was made with.
struct Connected {
    loaded: Loaded,
    client: Client,
}

/// Why Prometheus can't be reached as the options say.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// The options can't be used.
    #[error("reading the options for Prometheus")]
    Options(#[from] Unusable),
    /// The options name the server for TLS.
    #[error(
        "tls_config.server_name has no effect on Prometheus; let --prometheus name the server as its certificate does"
    )]
    ServerName,
    /// The certificates can't be used.
    #[error("preparing TLS for Prometheus")]
    Tls(#[source] Box<kube::Error>),
    /// The client can't be made.
    #[error("preparing a client for Prometheus")]
    Client(#[source] reqwest::Error),
    /// The URL can't be used.
    #[error("reading --prometheus")]
    Url(#[source] Box<Error>),
}

impl Server {
    pub(super) fn new(url: ServerUrl, metrics: Metrics) -> Result<Self, Unreachable> {
        let connected = Connected::new(&url, url.options.load()?)?;
        Ok(Self {
            url,
            connected: ArcSwap::from_pointee(connected),
            metrics,
        })
    }

    /// Asks once.
    pub(super) async fn ask(
        &self,
        query: &Query,
        within: Duration,
    ) -> Result<Answered, Unanswered> {
        let of_server = |Unanswered { reason, message }: Unanswered| Unanswered {
            reason,
            message: format!("{}: {message}", self.url).into(),
        };
        let asked = timeout(within, self.exchange(query, within)).await;
        let asked =
            asked.unwrap_or_else(|_| Err(timed_out(format!("no answer within {within:?}"))));
        let (status, bytes) = asked.map_err(of_server)?;
        let query = query.clone();
        let answered = spawn_blocking(move || read(&query, status, &bytes)).await;
        let answered =
            answered.unwrap_or_else(|_| Err(failed("fusegate is shutting down".to_owned())));
        if answered.as_ref().is_err_and(is_too_much) {
            self.metrics.bound_met(Bound::PrometheusSeries);
        }
        answered.map_err(of_server)
    }

    async fn exchange(
        &self,
        query: &Query,
        within: Duration,
    ) -> Result<(StatusCode, Vec<u8>), Unanswered> {
        let connected = self.refreshed().await?;
        let millis = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
        let mut asked = connected
            .client
            .query(&query.spec.query)
            .timeout(millis.max(1))
            // Older samples are not even looked at; otherwise Prometheus goes back five minutes.
            .query("lookback_delta", format_args!("{}ms", query.max_age))
            // One more than is read says that there are more.
            .query("limit", MOST_SERIES + 1);
        if let Some(authorization) = &connected.loaded.authorization {
            asked = asked.header(AUTHORIZATION, authorization.clone());
        }
        let response = asked.post_raw().await.map_err(|error| unreached(&error))?;
        let status = arrived(&response)?;
        let collected = collect(response, MOST_BYTES).await;
        if collected.as_ref().is_err_and(is_too_much) {
            self.metrics.bound_met(Bound::PrometheusAnswerBytes);
        }
        Ok((status, collected?))
    }

    /// Asks for the values between two moments, in seconds, so far apart.
    pub(super) async fn ask_range(
        &self,
        query: &str,
        (start, end): (i64, i64),
        step: Duration,
        max_age: u64,
        within: Duration,
    ) -> Result<(StatusCode, Vec<u8>), Unanswered> {
        let connected = self.refreshed().await?;
        let mut asked = connected
            .client
            .query_range(query, start, end, step.as_secs_f64())
            .query("lookback_delta", format_args!("{max_age}ms"));
        if let Some(authorization) = &connected.loaded.authorization {
            asked = asked.header(AUTHORIZATION, authorization.clone());
        }
        let exchange = async {
            let response = asked.post_raw().await.map_err(|error| unreached(&error))?;
            let status = arrived(&response)?;
            Ok((status, collect(response, MOST_RANGE_BYTES).await?))
        };
        let answered = timeout(within, exchange).await;
        answered.unwrap_or_else(|_| Err(timed_out(format!("no answer within {within:?}"))))
    }

    /// The client, made anew where the options have changed. While the files can't be used, nothing is asked.
    async fn refreshed(&self) -> Result<Arc<Connected>, Unanswered> {
        let connected = self.connected.load_full();
        if self.url.options.file.is_none() {
            return Ok(connected);
        }
        let options = self.url.options.clone();
        let loaded = spawn_blocking(move || options.load()).await;
        let loaded = loaded.map_err(|_| failed("fusegate is shutting down".to_owned()))?;
        let refreshed = loaded.map_err(Unreachable::from).and_then(|loaded| {
            if loaded == connected.loaded {
                Ok(None)
            } else {
                Connected::new(&self.url, loaded).map(Some)
            }
        });
        match refreshed {
            Ok(None) => Ok(connected),
            Ok(Some(refreshed)) => {
                let refreshed = Arc::new(refreshed);
                self.connected.store(Arc::clone(&refreshed));
                Ok(refreshed)
            }
            Err(error) => Err(failed(cut(&chain(&error)))),
        }
    }
}

impl Connected {
    fn new(url: &ServerUrl, loaded: Loaded) -> Result<Self, Unreachable> {
        if loaded.tls.names_server() {
            return Err(Unreachable::ServerName);
        }
        let tls = loaded.tls.config(&url.at("/"));
        let tls = tls.rustls_client_config();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.map_err(|error| Unreachable::Tls(Box::new(error)))?)
            .no_proxy()
            .redirect(Policy::none())
            .user_agent(concat!("fusegate/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(Unreachable::Client)?;
        let client = Client::from(client, url.base());
        let client = client.map_err(|error| Unreachable::Url(Box::new(error)))?;
        Ok(Self { loaded, client })
    }
}

/// The status of an answer that is one.
fn arrived(response: &Response) -> Result<StatusCode, Unanswered> {
    let status = response.status();
    if status.is_redirection() {
        return Err(failed(format!(
            "{status}: it sends its callers elsewhere, and credentials are not sent after them; let --prometheus name the place itself"
        )));
    }
    Ok(status)
}

/// The bytes of an answer, up to a bound.
async fn collect(mut response: Response, most: usize) -> Result<Vec<u8>, Unanswered> {
    let mut bytes = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if bytes.len() + chunk.len() > most => {
                return Err(too_much(&format!("{} MiB", most >> 20)));
            }
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => return Ok(bytes),
            Err(error) => return Err(failed(cut(&chain(&error.without_url())))),
        }
    }
}

fn is_too_much(unanswered: &Unanswered) -> bool {
    unanswered.reason == UnansweredReason::TooManySeries
}

/// Why there is no answer, without the URL, which is said already.
fn unreached(error: &Error) -> Unanswered {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    failed(cut(&cause.to_string()))
}

/// An error and its sources.
fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        said = format!("{said}: {cause}");
        source = cause.source();
    }
    said
}
