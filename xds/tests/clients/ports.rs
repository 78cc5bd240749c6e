//! Ports: numbers that nothing listens on now and that the kernel gives to nobody else.
//!
//! They lie below the range from which the kernel takes the local ports of outgoing connections,
//! or one of those could take the port of a listener that is still to come, or of a server that is being restarted.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

const FIRST: u16 = 15_000;
const COUNT: u16 = 17_000;

/// A free port on the loopback address, which this process hands out once only.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run side by side begin at different places.
    let begin = process::id().wrapping_mul(211) % u32::from(COUNT);
    let ports = (0..COUNT).map(|_| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        FIRST + u16::try_from((begin + u32::from(step)) % u32::from(COUNT)).unwrap()
    });
    let free = |port: &u16| TcpListener::bind(local(*port)).is_ok();
    ports.into_iter().find(free).expect("a free port")
}

/// The loopback address with a port.
pub(crate) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
