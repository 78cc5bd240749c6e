//! Ports: numbers that nothing listens on now and that the kernel gives to nobody else.
//!
//! They lie below the range from which the kernel takes the local ports of outgoing connections.
//! Out of that range another connection could take the port of a server that is being restarted,
//! and a client that knocks at it could even end up connected to itself.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process,
    sync::atomic::{AtomicU16, Ordering},
};

use anyhow::{Result, bail};

const FIRST: u16 = 15_000;
const COUNT: u16 = 17_000;
/// How often a start is tried when another process took a port between our look and the server's.
const ATTEMPTS: usize = 3;

/// A free port on the loopback address, which this process hands out once only.
pub(crate) fn free() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run side by side begin at different places.
    let begin = process::id().wrapping_mul(211) % u32::from(COUNT);
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let offset = (begin + u32::from(step)) % u32::from(COUNT);
        let port = FIRST + u16::try_from(offset)?;
        if TcpListener::bind(loopback(port)).is_ok() {
            return Ok(port);
        }
    }
    bail!(
        "no free port between {FIRST} and {}",
        u32::from(FIRST) + u32::from(COUNT)
    )
}

/// The loopback address with a port.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Starts a server, once more with other ports if one of them turned out to be taken.
pub(crate) async fn retrying<T>(start: impl AsyncFn() -> Result<T>) -> Result<T> {
    let mut attempt = 1;
    loop {
        match start().await {
            Err(error) if attempt < ATTEMPTS && port_was_taken(&error) => attempt += 1,
            outcome => return outcome,
        }
    }
}

/// Every server here says it in these words, and the log's end is part of the error.
fn port_was_taken(error: &anyhow::Error) -> bool {
    format!("{error:#}")
        .to_lowercase()
        .contains("address already in use")
}
