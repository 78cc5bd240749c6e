//! The server: the HTTP port of a replica, as commands ask it.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::Args;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use kube::client::ConfigExt as _;
use serde::de::DeserializeOwned;

use crate::runtime::http_options::{Tls, TlsFiles, Unusable};

/// The most bytes of an answer: a page of proxies that subscribe to everything there is.
const MAX_ANSWER: usize = 64 << 20;

/// Which replica is asked.
#[derive(Args, Clone, Debug)]
pub struct ServerOptions {
    /// The HTTP port of a replica: what it was given as `--http-listen`.
    #[arg(
        long,
        env = "FUSEGATE_SERVER",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    pub server: Uri,

    /// What it is shown.
    #[command(flatten)]
    pub proof: Proof,
}

/// What a replica and a command show each other.
#[derive(Args, Clone, Debug)]
pub struct Proof {
    /// The file with the token that the HTTP port asks for, if it does.
    #[arg(long, env = "FUSEGATE_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// The authorities that its certificate may come from, as PEM, where the URL is https://; by default the system's.
    #[arg(long, env = "FUSEGATE_SERVER_CA", value_name = "FILE")]
    pub server_ca: Option<PathBuf>,

    /// A client certificate of your own to show it, as PEM.
    #[arg(
        long,
        env = "FUSEGATE_CLIENT_CERT",
        requires = "client_key",
        value_name = "FILE"
    )]
    pub client_cert: Option<PathBuf>,

    /// The key of that certificate, as PEM.
    #[arg(
        long,
        env = "FUSEGATE_CLIENT_KEY",
        requires = "client_cert",
        value_name = "FILE"
    )]
    pub client_key: Option<PathBuf>,
}

/// Why a replica did not answer.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Not an address that can be asked.
    #[error("--server {0} can't be asked; write it as http://HOST:PORT or https://HOST:PORT")]
    Server(Uri),
    /// The token can't be read.
    #[error("--token-file {}: can't be read, or holds no token", .0.display())]
    Token(PathBuf),
    /// It asks for a token or a certificate, or for another one; in its own words.
    #[error("{0}; give --token-file FILE, or --client-cert FILE and --client-key FILE")]
    Unproven(String),
    /// A file for TLS can't be read.
    #[error(transparent)]
    Files(#[from] Unusable),
    /// A file for TLS can't be used.
    #[error("what --server-ca, --client-cert and --client-key name can't be used")]
    Tls(#[source] Box<kube::Error>),
    /// One of the two does not trust the other's certificate.
    #[error(
        "{url} can't be asked over TLS: {reason}; give the authority of its certificate with --server-ca, as --server a \
         host that the certificate is for, and a certificate of your own that is valid or none"
    )]
    Untrusted {
        /// What was asked.
        url: Uri,
        /// Why.
        reason: String,
    },
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
    /// It does not know what is asked for, or does not understand it; in its own words.
    #[error("{0}")]
    Refused(String),
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
    /// What came back can't be read.
    #[error("{url} answered with something else than what was asked for; is it a fusegate?")]
    Read {
        /// What was asked.
        url: Uri,
        /// Why.
        source: serde_json::Error,
    },
}

/// An answer, whatever its status.
pub(crate) struct Answer {
    url: Uri,
    pub(crate) status: StatusCode,
    body: Bytes,
}

impl ServerOptions {
    /// Asks for a document.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, Option<&str>)],
    ) -> Result<T, Unanswered> {
        let answer = self.ask(path, query).await?;
        match answer.status {
            status if status.is_success() => answer.read(),
            StatusCode::NOT_FOUND if answer.words().starts_with("there is nothing at") => {
                Err(answer.refused())
            }
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => {
                Err(Unanswered::Refused(answer.words()))
            }
            _ => Err(answer.refused()),
        }
    }

    /// Asks, and takes whatever is answered.
    pub(crate) async fn ask(
        &self,
        path: &str,
        query: &[(&str, Option<&str>)],
    ) -> Result<Answer, Unanswered> {
        let url = self.url(path, query)?;
        let unreached = |reason: String| {
            let url = url.clone();
            // Such as `invalid peer certificate: UnknownIssuer`, and `received fatal alert: CertificateExpired`.
            let untrusted = ["certificate", "alert"];
            if untrusted.iter().any(|word| reason.contains(word)) {
                return Unanswered::Untrusted { url, reason };
            }
            Unanswered::Reach { url, reason }
        };
        let config = self.proof.tls()?.config(&url);
        let connector = config.rustls_https_connector();
        let connector = connector.map_err(|error| Unanswered::Tls(Box::new(error)))?;
        let client: Client<_, Empty<Bytes>> =
            Client::builder(TokioExecutor::new()).build(connector);
        let mut request = Request::get(url.clone());
        if let Some(token) = self.proof.token()? {
            request = request.header(header::AUTHORIZATION, token);
        }
        let request = request.body(Empty::new());
        let request = request.map_err(|error| unreached(error.to_string()))?;
        let answer = client.request(request).await;
        let answer = answer.map_err(|error| unreached(innermost(&error)))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|error| unreached(error.to_string()))?;
        let body = body.to_bytes();
        let answer = Answer { url, status, body };
        if status == StatusCode::UNAUTHORIZED {
            return Err(Unanswered::Unproven(answer.words()));
        }
        Ok(answer)
    }

    pub(super) fn url(
        &self,
        path: &str,
        query: &[(&str, Option<&str>)],
    ) -> Result<Uri, Unanswered> {
        let refused = || Unanswered::Server(self.server.clone());
        let scheme = self.server.scheme_str();
        let scheme = scheme.filter(|scheme| matches!(*scheme, "http" | "https"));
        let scheme = scheme.ok_or_else(refused)?;
        let authority = self.server.authority().ok_or_else(refused)?;
        let base = self.server.path().trim_end_matches('/');
        let given = query
            .iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", escaped((*value)?))));
        let query = given.collect::<Vec<_>>().join("&");
        let url = format!("{scheme}://{authority}{base}/{path}?{query}");
        url.trim_end_matches('?').parse().map_err(|_| refused())
    }
}

impl Proof {
    /// The header with the token.
    fn token(&self) -> Result<Option<HeaderValue>, Unanswered> {
        let Some(path) = &self.token_file else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path).ok();
        let token = text.as_deref().and_then(|text| text.lines().next());
        let value =
            token.and_then(|token| HeaderValue::try_from(format!("Bearer {}", token.trim())).ok());
        let mut value = value.ok_or_else(|| Unanswered::Token(path.clone()))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    /// What a TLS connection is made with.
    fn tls(&self) -> Result<Tls, Unusable> {
        let files = TlsFiles {
            ca_file: self.server_ca.clone(),
            cert_file: self.client_cert.clone(),
            key_file: self.client_key.clone(),
            server_name: None,
        };
        files.load(Path::new(""))
    }
}

impl Answer {
    /// The document that it is.
    pub(crate) fn read<T: DeserializeOwned>(self) -> Result<T, Unanswered> {
        let Self { url, body, .. } = self;
        serde_json::from_slice(&body).map_err(|source| Unanswered::Read { url, source })
    }

    /// All of it, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Its beginning, as text on one line.
    pub(crate) fn words(&self) -> String {
        let words: String = String::from_utf8_lossy(&self.body)
            .chars()
            .take(1_000)
            .collect();
        words.trim().to_owned()
    }

    /// That it is no answer to what was asked.
    pub(crate) fn refused(self) -> Unanswered {
        let body = self.words();
        Unanswered::Answer {
            url: self.url,
            status: self.status,
            body,
        }
    }
}

/// The cause of all, which is what people can do something about.
fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

/// As it may stand in a path or a query.
pub(crate) fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| match byte {
            byte if plain(byte) => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
