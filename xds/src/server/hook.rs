//! The hook: sees each request before it is taken and each response before it is sent, and may refuse either.

use std::fmt::Debug;

use envoy_types::pb::envoy::service::discovery::v3::{DeltaDiscoveryRequest, DiscoveryRequest};
use tonic::Status;

use crate::peer::Peer;
use crate::protocol::{Rejection, Response};
use crate::proxies::Proxy;

/// Sees each request before it is taken and each response before it is sent, and may refuse either ([`Config::hook`](super::Config)).
///
/// The methods are called from the streams' own tasks, in the order in which things happen on a stream, and must not block.
/// What became of a response is an [`Observer`](crate::Observer)'s to hear.
///
/// ```
/// use fusegate_xds::Peer;
/// use fusegate_xds::protocol::{Rejection, Response};
/// use fusegate_xds::proxies::Proxy;
/// use fusegate_xds::server::{Hook, Request, Status};
///
/// #[derive(Debug)]
/// struct Log;
///
/// impl Hook for Log {
///     fn request(&self, proxy: Option<&Proxy>, _: &Peer, request: Request<'_>) -> Result<(), Status> {
///         println!("{}: {request:?}", proxy.map_or("a new stream", |proxy| &proxy.node.id));
///         Ok(())
///     }
///
///     fn response(&self, proxy: &Proxy, response: &Response) -> Result<(), Rejection> {
///         println!("{} gets {} of {}", proxy.node.id, response.resources.len(), response.type_url);
///         Ok(())
///     }
/// }
/// ```
pub trait Hook: Debug + Send + Sync + 'static {
    /// A request has come; a status ends its stream.
    ///
    /// With the first request of a stream there is no `proxy` yet: whose it is stands in the request's `node`.
    fn request(
        &self,
        proxy: Option<&Proxy>,
        peer: &Peer,
        request: Request<'_>,
    ) -> Result<(), Status> {
        let _ = (proxy, peer, request);
        Ok(())
    }

    /// A response is about to be sent; if it is refused it is not, and what is in it is parked until it changes, as if the client had refused it.
    ///
    /// Everything else goes on.
    fn response(&self, proxy: &Proxy, response: &Response) -> Result<(), Rejection> {
        let _ = (proxy, response);
        Ok(())
    }
}

/// A request as it came.
#[derive(Clone, Copy, Debug)]
pub enum Request<'a> {
    /// In state of the world.
    Sotw(&'a DiscoveryRequest),
    /// In delta.
    Delta(&'a DeltaDiscoveryRequest),
}
