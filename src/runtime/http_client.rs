//! An HTTP client of one other server: posts there, with options that are read again before each use.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::TokioExecutor;
use kube::Config;
use kube::client::ConfigExt as _;
use tokio::time::timeout;

use crate::runtime::http_options::{Loaded, Tls, Unusable};
use crate::runtime::server_url::ServerUrl;

/// The most bytes of an answer that are read.
const MOST_ANSWER: usize = 16 << 10;

/// Why a server can't be reached as its options say.
#[derive(Debug, thiserror::Error)]
pub enum Unprepared {
    /// The options can't be used.
    #[error("reading the options for {server}")]
    Options {
        /// What kind of server.
        server: &'static str,
        /// What is wrong with them.
        #[source]
        source: Unusable,
    },
    /// The certificates can't be used.
    #[error("preparing TLS for {server}")]
    Tls {
        /// What kind of server.
        server: &'static str,
        /// What is wrong with them.
        #[source]
        source: Box<kube::Error>,
    },
}

/// Makes a client anew when its certificate changes.
type Make<C> = Box<dyn Fn(&Tls) -> Result<Client<C, Full<Bytes>>, Unprepared> + Send + Sync>;

/// A client of one path of a server.
pub struct HttpClient<C> {
    server: &'static str,
    url: ServerUrl,
    uri: Uri,
    client: Client<C, Full<Bytes>>,
    make: Make<C>,
    /// The options in use.
    loaded: Loaded,
    /// Whether those in the files can't be used.
    failing: bool,
}

/// A client of a path of a server of this kind, which messages call by its name.
///
/// # Errors
///
/// When its options or certificates can't be used.
pub fn open(
    server: &'static str,
    url: ServerUrl,
    path: &str,
) -> Result<HttpClient<impl Connect + Clone + Send + Sync + 'static>, Unprepared> {
    let loaded = url.options.load();
    let loaded = loaded.map_err(|source| Unprepared::Options { server, source })?;
    let uri = url.at(path);
    let of = uri.clone();
    let make = move |tls: &Tls| client(server, tls.config(&of));
    Ok(HttpClient {
        server,
        url,
        uri,
        client: make(&loaded.tls)?,
        make: Box::new(make),
        loaded,
        failing: false,
    })
}

/// A client with this configuration of TLS.
///
/// # Errors
///
/// When the certificates can't be used.
#[allow(
    clippy::needless_pass_by_value,
    reason = "what is returned must not borrow from it"
)]
pub fn client(
    server: &'static str,
    config: Config,
) -> Result<Client<impl Connect + Clone + Send + Sync + 'static, Full<Bytes>>, Unprepared> {
    let connector = config.rustls_https_connector();
    let connector = connector.map_err(|source| {
        let source = Box::new(source);
        Unprepared::Tls { server, source }
    })?;
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

impl<C> HttpClient<C>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    /// The server.
    pub const fn url(&self) -> &ServerUrl {
        &self.url
    }

    /// Reads the options again. Those in use stay while the files can't be used.
    pub async fn refresh(&mut self) {
        if self.url.options.file.is_none() {
            return;
        }
        let options = self.url.options.clone();
        let loaded = tokio::task::spawn_blocking(move || options.load()).await;
        let server = self.server;
        let used = match loaded {
            Ok(Ok(loaded)) => self.take(loaded),
            Ok(Err(source)) => Err(Unprepared::Options { server, source }),
            // The runtime is shutting down.
            Err(_) => return,
        };
        match used {
            Ok(()) => self.failing = false,
            Err(error) if !self.failing => {
                self.failing = true;
                let source = error.source().map(ToString::to_string);
                tracing::error!(url = %self.url, %error, reason = source, "cannot use the options for {server}; those read earlier stay in use");
            }
            Err(_) => {}
        }
    }

    fn take(&mut self, loaded: Loaded) -> Result<(), Unprepared> {
        if loaded.tls != self.loaded.tls {
            self.client = (self.make)(&loaded.tls)?;
        }
        self.loaded = loaded;
        Ok(())
    }

    /// Posts once; the beginning of what is answered is read.
    ///
    /// # Errors
    ///
    /// Why nothing was answered.
    pub async fn post(
        &self,
        content_type: &'static str,
        body: Vec<u8>,
        within: Duration,
    ) -> Result<(StatusCode, Bytes), String> {
        let exchanged = timeout(within, self.exchange(content_type, body)).await;
        exchanged.unwrap_or_else(|_| Err(format!("no answer within {within:?}")))
    }

    async fn exchange(
        &self,
        content_type: &'static str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), String> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(&self.uri)
            .header(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(authorization) = &self.loaded.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request
            .body(Full::from(body))
            .map_err(|error| error.to_string())?;
        let answer = self.client.request(request).await.map_err(|error| {
            let cause = error.source();
            cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
        })?;
        let status = answer.status();
        let read = Limited::new(answer.into_body(), MOST_ANSWER)
            .collect()
            .await;
        let read = read
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        Ok((status, read))
    }
}

impl<C> fmt::Debug for HttpClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpClient").field(&self.url).finish()
    }
}
