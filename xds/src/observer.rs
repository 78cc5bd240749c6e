//! The observer: how a publisher learns what became of what it published.

use std::sync::Arc;

use crate::protocol::{Isolated, Rejection, Response};
use crate::proxies::Proxy;
use crate::type_url::TypeUrl;

/// What a publisher may want to know of its clients.
///
/// The methods are called from the streams' own tasks, in the order in which things happened on a stream.
/// What is asked now and then is better read from [`Proxies`](crate::Proxies), which also says how much of it is kept.
/// They must not block: hand over to a bounded channel what takes time.
pub trait Observer: Send + Sync + 'static {
    /// A client has said who it is.
    fn connected(&self, proxy: &Proxy) {
        let _ = proxy;
    }

    /// A client subscribes to other names of this type than before; `proxy` has the new state.
    fn subscribed(&self, proxy: &Proxy, type_url: &TypeUrl) {
        let _ = (proxy, type_url);
    }

    /// A client has taken a response.
    fn acked(&self, proxy: &Proxy, response: &Response) {
        let _ = (proxy, response);
    }

    /// A client has refused a response, or part of it, and says why.
    fn nacked(&self, proxy: &Proxy, response: &Response, rejection: &Rejection) {
        let _ = (proxy, response, rejection);
    }

    /// A client has refused a response for something that it has from before, so that it is not known what it makes of this one
    /// ([`Event::InconclusiveNack`](crate::protocol::Event::InconclusiveNack)); once it is, that is told as usual.
    ///
    /// Whoever does not tell it apart hears of it as [`Observer::nacked`].
    fn inconclusive_nack(&self, proxy: &Proxy, response: &Response, rejection: &Rejection) {
        self.nacked(proxy, response, rejection);
    }

    /// A client has answered for all there was of some type; [`Proxy::caught_up`] says up to which publication.
    ///
    /// It is also called when something else changed that [`Proxy::sync_status`] says.
    fn caught_up(&self, proxy: &Proxy) {
        let _ = proxy;
    }

    /// It was found what a client refuses: one resource, or one part of it; the good around it is delivered ([`bisect`](crate::bisect)).
    fn isolated(&self, proxy: &Proxy, isolated: &Isolated) {
        let _ = (proxy, isolated);
    }

    /// The search for what a client refuses met its bounds, so that these names stay parked together.
    fn unresolved(
        &self,
        proxy: &Proxy,
        type_url: &TypeUrl,
        names: &[Arc<str>],
        rejection: &Rejection,
    ) {
        let _ = (proxy, type_url, names, rejection);
    }

    /// The stream has ended.
    fn disconnected(&self, proxy: &Proxy) {
        let _ = proxy;
    }
}

/// Observes nothing.
impl Observer for () {}
