//! A page: part of a list, its items still raw, with the next page already requested.

use std::vec::IntoIter;

use kube::core::ObjectList;
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::AbortOnDropHandle;

use crate::source::kube::failure::Failure;

/// The answer to one list request.
pub(super) type Fetched = ObjectList<Box<RawValue>>;

/// The page of a list that is being handed over.
pub(super) struct Page {
    items: IntoIter<Box<RawValue>>,
    next: Option<Prefetch>,
    resource_version: String,
    /// Held until the list is complete, so that few kinds list at once.
    permit: Option<OwnedSemaphorePermit>,
}

/// A requested page; dropping it cancels the request.
pub(super) struct Prefetch(AbortOnDropHandle<Result<Fetched, Failure>>);

impl Page {
    /// A page, and the token of the next one, if there is one.
    pub(super) fn new(
        fetched: Fetched,
        permit: Option<OwnedSemaphorePermit>,
    ) -> (Self, Option<String>) {
        let page = Self {
            items: fetched.items.into_iter(),
            next: None,
            resource_version: fetched.metadata.resource_version.unwrap_or_default(),
            permit,
        };
        let token = fetched.metadata.continue_;
        (page, token.filter(|token| !token.is_empty()))
    }

    /// Fetches the next page while this one is handed over.
    pub(super) fn prefetch(
        &mut self,
        fetch: impl Future<Output = Result<Fetched, Failure>> + Send + 'static,
    ) {
        self.next = Some(Prefetch(AbortOnDropHandle::new(tokio::spawn(fetch))));
    }

    pub(super) fn pop(&mut self) -> Option<Box<RawValue>> {
        self.items.next()
    }

    pub(super) fn take_prefetched(
        &mut self,
    ) -> Option<impl Future<Output = Result<Fetched, Failure>> + use<>> {
        self.next.take().map(Prefetch::join)
    }

    pub(super) fn into_permit(self) -> Option<OwnedSemaphorePermit> {
        self.permit
    }

    pub(super) fn into_resource_version(self) -> String {
        self.resource_version
    }
}

impl Prefetch {
    async fn join(self) -> Result<Fetched, Failure> {
        match self.0.await {
            Ok(fetched) => fetched,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is shutting down, and this task with it.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_items_of_a_list_stay_byte_for_byte_what_the_server_sent() {
        let text = r#"{"kind":"StorefrontList","apiVersion":"shop.example.com/v1","metadata":{"resourceVersion":"7","continue":"next"},"items":[{"status": {"a" : 1.0}},"junk"]}"#;
        let (mut page, token) = Page::new(serde_json::from_str(text).unwrap(), None);
        assert_eq!(page.pop().unwrap().get(), r#"{"status": {"a" : 1.0}}"#);
        assert_eq!(page.pop().unwrap().get(), "\"junk\"");
        assert!(page.pop().is_none());
        assert_eq!(token.as_deref(), Some("next"));
        assert_eq!(page.into_resource_version(), "7");
    }

    #[test]
    fn a_list_whose_items_are_null_is_empty() {
        let text =
            r#"{"apiVersion":"v1","metadata":{"resourceVersion":"7"},"items":null,"kind":"List"}"#;
        let (mut page, token) = Page::new(serde_json::from_str(text).unwrap(), None);
        assert!(page.pop().is_none());
        assert!(token.is_none());
    }
}
