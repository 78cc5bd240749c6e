//! The HTTP port of `fusegate run`: where it is, and who may ask what.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

/// Options of the HTTP port.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "HTTP")]
pub struct Http {
    /// Where the page, the gate, health, metrics and the lists of circuits and proxies are served.
    #[arg(
        id = "http_listen",
        long = "http-listen",
        env = "FUSEGATE_HTTP_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDRESS:PORT"
    )]
    pub listen: SocketAddr,

    /// A folder with the tokens of the HTTP port, one a line, in files named `gate`, `page`, `metrics` and `alerts`,
    /// such as a mounted Secret. What has a file asks for a token; `alerts` is closed without one, the others are open.
    /// Files named `gate.names` and so on have names of client certificates, which do as well as a token.
    #[arg(
        id = "http_tokens",
        long = "http-tokens",
        env = "FUSEGATE_HTTP_TOKENS",
        value_name = "DIR"
    )]
    pub tokens: Option<PathBuf>,

    /// How many requests a second one address may send to the HTTP port, five seconds' worth at once; 0 is without limit.
    #[arg(
        id = "http_rate",
        long = "http-rate",
        env = "FUSEGATE_HTTP_RATE",
        default_value_t = 500,
        value_name = "REQUESTS"
    )]
    pub rate: u32,

    /// The certificate of the HTTP port, as PEM, with those between it and its authority; it is read again whenever it
    /// changes. With it the port speaks TLS, and nothing else.
    #[arg(
        id = "http_cert",
        long = "http-tls-cert",
        env = "FUSEGATE_HTTP_TLS_CERT",
        requires = "http_key",
        value_name = "FILE"
    )]
    pub cert: Option<PathBuf>,

    /// The key of that certificate, as PEM.
    #[arg(
        id = "http_key",
        long = "http-tls-key",
        env = "FUSEGATE_HTTP_TLS_KEY",
        requires = "http_cert",
        value_name = "FILE"
    )]
    pub key: Option<PathBuf>,

    /// The authorities whose certificates clients may show, as PEM. Nobody has to show one; what a name in it opens is
    /// said in the folder of `--http-tokens`.
    #[arg(
        id = "http_client_ca",
        long = "http-tls-client-ca",
        env = "FUSEGATE_HTTP_TLS_CLIENT_CA",
        requires = "http_cert",
        value_name = "FILE"
    )]
    pub client_ca: Option<PathBuf>,
}
