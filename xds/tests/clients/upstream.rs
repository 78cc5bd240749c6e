//! An upstream: an HTTP server that answers with its name and the credential it was sent.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::resources::CREDENTIAL_HEADER;

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Upstream {
    pub(crate) async fn start(name: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, name));
            }
        });
        Self { address, serving }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Answers requests without a body, one after the other, until the client hangs up.
async fn serve(mut stream: TcpStream, name: &'static str) -> Option<()> {
    let mut read = Vec::new();
    loop {
        while !read.ends_with(b"\r\n\r\n") {
            let mut chunk = [0; 4_096];
            let length = stream
                .read(&mut chunk)
                .await
                .ok()
                .filter(|length| *length > 0)?;
            read.extend_from_slice(&chunk[..length]);
        }
        let head = String::from_utf8_lossy(&read).to_ascii_lowercase();
        let credential = head
            .lines()
            .find_map(|line| line.strip_prefix(CREDENTIAL_HEADER)?.strip_prefix(": "));
        let body = format!("{name} {}", credential.unwrap_or("none"));
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await.ok()?;
        read.clear();
    }
}
