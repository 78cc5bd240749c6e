//! A peer: the client at the other end of a connection, as far as the connection itself tells.
//!
//! Unlike a [`Node`](crate::node::Node), which is the client's own account, a certificate was verified.

use std::net::SocketAddr;
use std::sync::Arc;

/// The client at the other end of a connection, as far as the connection itself tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Where it connected from, if the transport knows.
    pub address: Option<SocketAddr>,
    /// Its certificate, where certificates are demanded.
    pub certificate: Option<Arc<Certificate>>,
}

/// The names in a client's certificate, which one of the configured authorities has signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// Its subject alternative names of type DNS, such as `edge.example.com` or `*.example.com`.
    pub dns_names: Vec<String>,
    /// Its subject alternative names of type URI, such as `spiffe://example.com/ns/shop/sa/edge`.
    pub uris: Vec<String>,
}

impl Certificate {
    /// The name to show to people: the first URI, or else the first DNS name.
    pub fn name(&self) -> Option<&str> {
        let names = self.uris.iter().chain(&self.dns_names);
        names.map(String::as_str).next()
    }
}
