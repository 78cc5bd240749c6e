//! A listener: a port of this process, before anything is served there.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::net::{TcpListener, TcpSocket};

/// The backlog of each port, within the system's limit: a whole fleet may reconnect at once.
const BACKLOG: u32 = 4_096;

/// Listens on an address; a failure says which flag chooses another.
pub(super) fn listen(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let listener = socket.and_then(|socket| {
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    });
    listener.with_context(|| {
        format!("listening on {address}; free the port or choose another with {flag}")
    })
}
