//! HTTP/1.1 requests, as plain as can be: one on its own, and many on one connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};

/// How long an answer may take before it counts as failed.
const PATIENCE: Duration = Duration::from_secs(15);

/// The name in every certificate that a listener shows.
pub(crate) const SERVER: &str = "mesh.test";

/// The status and body of a `GET`; status 0 if the server can't be reached.
pub(crate) async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut client = Client::to(address);
    client.get(path).await.unwrap_or_default()
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A client that keeps its connection for as long as the server does.
pub(crate) struct Client {
    address: SocketAddr,
    host: String,
    headers: String,
    trusted: Option<Arc<ClientConfig>>,
    connection: Option<BufReader<Box<dyn Io>>>,
    certificate: Option<CertificateDer<'static>>,
}

impl Client {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self {
            address,
            host: "test".into(),
            headers: String::new(),
            trusted: None,
            connection: None,
            certificate: None,
        }
    }

    /// Asks for this host instead.
    pub(crate) fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Sends this header with every request.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers = format!("{}{name}: {value}\r\n", self.headers);
        self
    }

    /// Speaks TLS, and takes the certificates that `trusted` allows.
    pub(crate) fn tls(mut self, trusted: Arc<ClientConfig>) -> Self {
        self.trusted = Some(trusted);
        self
    }

    /// The certificate that the server showed on the connection in use.
    pub(crate) fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.certificate.as_ref()
    }

    /// The status and body of a `GET`, or what went wrong; nothing is tried twice.
    pub(crate) async fn get(&mut self, path: &str) -> Result<(u16, String), String> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self
                .connect()
                .await
                .map_err(|error| format!("connecting: {error}"))?,
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\n{}\r\n",
            self.host, self.headers
        );
        let exchange = timeout(PATIENCE, exchange(&mut connection, &request)).await;
        let exchange = exchange.map_err(|_| format!("no answer within {PATIENCE:?}"))?;
        let (status, body, keep) = exchange.map_err(|error| error.to_string())?;
        self.connection = keep.then_some(connection);
        Ok((status, body))
    }

    async fn connect(&mut self) -> std::io::Result<BufReader<Box<dyn Io>>> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let Some(trusted) = &self.trusted else {
            return Ok(BufReader::new(Box::new(stream)));
        };
        let name = ServerName::try_from(SERVER).unwrap();
        let connector = TlsConnector::from(Arc::clone(trusted));
        let stream = timeout(PATIENCE, connector.connect(name, stream)).await??;
        let shown = stream.get_ref().1.peer_certificates();
        self.certificate = shown.and_then(|shown| shown.first().cloned());
        Ok(BufReader::new(Box::new(stream)))
    }
}

/// Status, body, and whether the connection may be used again.
async fn exchange(
    connection: &mut BufReader<Box<dyn Io>>,
    request: &str,
) -> std::io::Result<(u16, String, bool)> {
    connection.write_all(request.as_bytes()).await?;
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if connection.read_line(&mut head).await? == 0 {
            let message = format!("the connection ended after {head:?}");
            return Err(std::io::Error::other(message));
        }
    }
    let head = head.to_ascii_lowercase();
    let header = |name: &str| {
        let found = head.lines().find_map(|line| line.strip_prefix(name));
        found.map(str::trim)
    };
    let mut body = Vec::new();
    match header("content-length:").and_then(|length| length.parse().ok()) {
        Some(length) => {
            body.resize(length, 0);
            connection.read_exact(&mut body).await?;
        }
        None => read_chunks(connection, &mut body).await?,
    }
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let keep = header("connection:") != Some("close");
    Ok((
        status.unwrap_or(0),
        String::from_utf8_lossy(&body).into_owned(),
        keep,
    ))
}

async fn read_chunks(
    connection: &mut BufReader<Box<dyn Io>>,
    body: &mut Vec<u8>,
) -> std::io::Result<()> {
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).await?;
        let length = usize::from_str_radix(line.trim(), 16).map_err(std::io::Error::other)?;
        let begin = body.len();
        body.resize(begin + length + 2, 0);
        connection.read_exact(body.split_at_mut(begin).1).await?;
        body.truncate(begin + length);
        if length == 0 {
            return Ok(());
        }
    }
}
