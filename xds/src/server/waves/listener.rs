//! The listener: the observer that hears what decides waves, and passes everything on.

use std::sync::Arc;

use super::sides::Sides;
use crate::observer::Observer;
use crate::protocol::{Isolated, Rejection, Response};
use crate::proxies::Proxy;
use crate::type_url::TypeUrl;

/// Hears what decides waves, and passes everything on.
pub(super) struct Listener {
    pub(super) sides: Arc<Sides>,
    pub(super) inner: Arc<dyn Observer>,
}

impl Observer for Listener {
    fn connected(&self, proxy: &Proxy) {
        self.inner.connected(proxy);
    }

    fn subscribed(&self, proxy: &Proxy, type_url: &TypeUrl) {
        self.inner.subscribed(proxy, type_url);
        self.sides.note(proxy);
    }

    fn acked(&self, proxy: &Proxy, response: &Response) {
        self.inner.acked(proxy, response);
    }

    fn nacked(&self, proxy: &Proxy, response: &Response, rejection: &Rejection) {
        self.inner.nacked(proxy, response, rejection);
        self.sides.refused(proxy, response, rejection);
    }

    /// It decides nothing: what was tried stays open until the client is asked again.
    fn inconclusive_nack(&self, proxy: &Proxy, response: &Response, rejection: &Rejection) {
        self.inner.inconclusive_nack(proxy, response, rejection);
    }

    fn caught_up(&self, proxy: &Proxy) {
        self.inner.caught_up(proxy);
        self.sides.note(proxy);
    }

    fn isolated(&self, proxy: &Proxy, isolated: &Isolated) {
        self.inner.isolated(proxy, isolated);
    }

    fn unresolved(
        &self,
        proxy: &Proxy,
        type_url: &TypeUrl,
        names: &[Arc<str>],
        rejection: &Rejection,
    ) {
        self.inner.unresolved(proxy, type_url, names, rejection);
    }

    fn disconnected(&self, proxy: &Proxy) {
        self.inner.disconnected(proxy);
        self.sides.heard.notify_one();
    }
}
