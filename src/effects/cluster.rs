//! The API server that effects write to, and how its answers are classified.

use std::fmt;
use std::ops::ControlFlow;

use http::Request;
use kube::api::ListParams;
use kube::core::{ObjectList, Request as Resource};
use kube::{Client, Error};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;
use tokio::time::{Duration, timeout};

use crate::effects::delivery::Failure;
use crate::runtime::page_size::PageSize;

/// The field manager of everything but incidents.
pub const MANAGER: &str = "fusegate";

/// The field manager of `incidents` in a contract's status, which the status executor must not own.
pub const INCIDENT_MANAGER: &str = "fusegate-rollback";

/// The deadline of one request: without it, kube's client retries for many minutes.
pub(crate) const REQUEST_WITHIN: Duration = Duration::from_secs(5);

/// What gRPC says of an answer with more bytes than one side allows: 4 MiB, unless it was told otherwise.
const TOO_LARGE: &str = "message larger than max";

/// The most bytes of an answer that are repeated in messages.
const MOST_MESSAGE: usize = 600;

/// An API server and fusegate's namespace in it.
#[derive(Clone)]
pub struct Cluster {
    /// The client.
    pub client: Client,
    /// Where revisions are kept.
    pub namespace: String,
}

/// Why a request failed, as far as effects distinguish it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiFailure {
    /// 404.
    #[error("not found: {0}")]
    NotFound(String),
    /// 409: the object exists, or was changed meanwhile.
    #[error("conflict: {0}")]
    Conflict(String),
    /// Refused; a retry would not help.
    #[error("refused: {0}")]
    Refused(String),
    /// No answer, or a failure that may pass.
    #[error("{0}")]
    Unavailable(String),
}

/// A page of a list.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    /// Where the next page begins; `None` after the last.
    pub(crate) next: Option<Cursor>,
    /// About how many come after this page.
    pub(crate) remaining: u64,
}

/// Where a page of a list begins, and how many items it is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    token: Option<String>,
    size: PageSize,
}

impl Cursor {
    /// The beginning of a list, of which at most so many items are asked for at once.
    pub(crate) fn up_to(most: u32) -> Self {
        Self {
            token: None,
            size: PageSize::up_to(most),
        }
    }

    #[cfg(test)]
    pub(crate) fn at(token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..Self::up_to(500)
        }
    }

    #[cfg(test)]
    pub(crate) fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }
}

impl Cluster {
    /// Sends a request and decodes the answer.
    pub(crate) async fn request<T: DeserializeOwned>(
        &self,
        request: Result<Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<T, ApiFailure> {
        self.request_within(REQUEST_WITHIN, request).await
    }

    /// The same with a deadline of its own, for answers that take long.
    pub(crate) async fn request_within<T: DeserializeOwned>(
        &self,
        within: Duration,
        request: Result<Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<T, ApiFailure> {
        let request = request.map_err(|error| ApiFailure::Refused(error.to_string()))?;
        match timeout(within, self.client.request(request)).await {
            Ok(answer) => answer.map_err(|error| ApiFailure::from(&error)),
            Err(_) => Err(ApiFailure::Unavailable(format!(
                "the API server did not answer within {within:?}"
            ))),
        }
    }

    /// Goes through a list page by page, until one of them was enough.
    pub(crate) async fn pages<T: DeserializeOwned>(
        &self,
        url: &str,
        limit: u32,
        mut take: impl FnMut(Vec<T>) -> ControlFlow<()>,
    ) -> Result<(), ApiFailure> {
        let mut cursor = Some(Cursor::up_to(limit));
        while let Some(from) = cursor {
            let page = self.page(url, REQUEST_WITHIN, from).await?;
            let wanted = take(page.items).is_continue();
            cursor = page.next.filter(|_| wanted);
        }
        Ok(())
    }

    /// A page of a list; where the API server can't give so many items at once, a smaller one.
    pub(crate) async fn page<T: DeserializeOwned>(
        &self,
        url: &str,
        within: Duration,
        from: Cursor,
    ) -> Result<Page<T>, ApiFailure> {
        let Cursor { token, mut size } = from;
        let list: ObjectList<Box<RawValue>> = loop {
            let mut params = ListParams::default().limit(size.get());
            params.continue_token.clone_from(&token);
            let asked = Resource::new(url).list(&params);
            match self.request_within(within, asked).await {
                // gRPC's text, by which etcd, or what stands in for it, says that an answer is too large.
                Err(ApiFailure::Unavailable(why)) if why.contains(TOO_LARGE) && size.halve() => {}
                answer => break answer?,
            }
        };
        let mut items = Vec::with_capacity(list.items.len());
        for item in list.items {
            size.record(item.get().len());
            let read = serde_json::from_str(item.get());
            items.push(read.map_err(|error| ApiFailure::Unavailable(error.to_string()))?);
        }
        let remaining = list.metadata.remaining_item_count;
        let token = list.metadata.continue_.filter(|token| !token.is_empty());
        Ok(Page {
            items,
            next: token.map(|token| Cursor {
                token: Some(token),
                size,
            }),
            remaining: remaining
                .and_then(|count| count.try_into().ok())
                .unwrap_or(0),
        })
    }

    /// All items of a list, of which so many are asked for at once.
    pub(crate) async fn all<T: DeserializeOwned>(
        &self,
        url: &str,
        limit: u32,
    ) -> Result<Vec<T>, ApiFailure> {
        let mut items = Vec::new();
        let take = |page: Vec<T>| {
            items.extend(page);
            ControlFlow::Continue(())
        };
        self.pages(url, limit, take).await?;
        Ok(items)
    }

    /// Sends a request and ignores the content of the answer.
    pub(crate) async fn send(
        &self,
        request: Result<Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<(), ApiFailure> {
        self.request::<IgnoredAny>(request).await.map(|_| ())
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl From<&Error> for ApiFailure {
    /// Missing rights and expired credentials count as passing failures: they may be granted or renewed.
    fn from(error: &Error) -> Self {
        let Error::Api(status) = error else {
            return Self::Unavailable(brief(&chain(error)));
        };
        let message = brief(&status.message);
        match status.code {
            404 => Self::NotFound(message),
            409 => Self::Conflict(message),
            401 | 403 | 408 | 425 | 429 => Self::Unavailable(message),
            400..500 => Self::Refused(message),
            _ => Self::Unavailable(message),
        }
    }
}

impl From<ApiFailure> for Failure {
    fn from(answer: ApiFailure) -> Self {
        match answer {
            ApiFailure::Unavailable(message) => Self::Transient(message),
            other => Self::Permanent(other.to_string()),
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// The start of a text, cut at a character.
pub(crate) fn brief(text: &str) -> String {
    cut(text, MOST_MESSAGE).to_owned()
}

/// At most `most` bytes of a text, cut at a character.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use axum::extract::Query;
    use axum::http::StatusCode;
    use axum::{Json, Router};
    use kube::core::Status;
    use rstest::rstest;
    use serde_json::{Value, json};
    use tokio::sync::mpsc;

    use super::*;

    /// A server with a list of three pages, of one item each.
    fn server() -> Cluster {
        let answer = async |Query(asked): Query<Value>| {
            assert_eq!(asked["limit"], "1");
            let page: u32 = asked["continue"].as_str().unwrap_or("0").parse().unwrap();
            let next = (page < 2).then(|| (page + 1).to_string());
            Json(json!({"metadata": {"continue": next.unwrap_or_default()}, "items": [page]}))
        };
        Cluster {
            client: Client::new(Router::new().fallback(answer), "default"),
            namespace: String::new(),
        }
    }

    #[tokio::test]
    async fn a_list_is_gone_through_to_its_end_or_as_far_as_is_wanted() {
        let all: Vec<u32> = server().all("/things", 1).await.unwrap();
        assert_eq!(all, [0, 1, 2]);
        let mut seen = Vec::new();
        let take = |page: Vec<u32>| {
            seen.extend(page);
            match seen.len() {
                2 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        };
        server().pages("/things", 1, take).await.unwrap();
        assert_eq!(seen, [0, 1]);
    }

    /// A server with a list of ten items, which can't give more than three at once.
    fn narrow_server() -> (Cluster, mpsc::UnboundedReceiver<u64>) {
        let (asked, sizes) = mpsc::unbounded_channel();
        let answer = async move |Query(query): Query<Value>| {
            let number = |name: &str| query[name].as_str()?.parse::<u64>().ok();
            let (limit, begin) = (number("limit").unwrap(), number("continue").unwrap_or(0));
            asked.send(limit).unwrap();
            if limit > 3 {
                let message = "grpc: received message larger than max";
                let status = Status::failure(message, "InternalError").with_code(500);
                return (StatusCode::INTERNAL_SERVER_ERROR, Json(json!(status)));
            }
            let end = (begin + limit).min(10);
            let next = if end < 10 {
                end.to_string()
            } else {
                String::new()
            };
            let items: Vec<u64> = (begin..end).collect();
            let list = json!({"metadata": {"continue": next, "remainingItemCount": 10 - end}, "items": items});
            (StatusCode::OK, Json(list))
        };
        let cluster = Cluster {
            client: Client::new(Router::new().fallback(answer), "default"),
            namespace: String::new(),
        };
        (cluster, sizes)
    }

    #[tokio::test]
    async fn a_page_that_is_too_large_for_the_server_is_asked_for_smaller() {
        let (cluster, mut sizes) = narrow_server();
        let all: Vec<u64> = cluster.all("/things", 500).await.unwrap();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
        sizes.close();
        let mut asked = Vec::new();
        while let Some(size) = sizes.recv().await {
            asked.push(size);
        }
        assert_eq!(asked, [50, 25, 12, 6, 3, 3, 3, 3]);
    }

    #[rstest]
    #[case(404, "not found: why")]
    #[case(409, "conflict: why")]
    #[case(422, "refused: why")]
    #[case(403, "why")]
    #[case(429, "why")]
    #[case(500, "why")]
    #[case(504, "why")]
    fn only_a_refusal_for_good_is_one(#[case] code: u16, #[case] expected: &str) {
        let error = Error::Api(Status::failure("why", "Why").with_code(code).boxed());
        assert_eq!(ApiFailure::from(&error).to_string(), expected);
    }

    #[test]
    fn a_long_answer_is_cut_at_a_character() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(brief(&"é".repeat(1_000)).len(), MOST_MESSAGE);
    }
}
