//! A page: a bounded piece of a list, and where the next one begins.
//!
//! The place is the last item's name, not a position, so that a list which changes
//! between two pages neither repeats nor skips what stands.

use axum::extract::Query as UrlQuery;
use axum::extract::rejection::QueryRejection;
use serde::Serialize;

use crate::serve::bad_request::BadRequest;
use crate::serve::wire;

/// Items of a page, where the caller does not say.
const DEFAULT_LIMIT: usize = 100;

/// The most items of a page: about half a megabyte of circuits.
const MAX_LIMIT: usize = 1_000;

/// One page.
#[derive(Debug, Serialize)]
pub(in crate::serve) struct Page<T> {
    items: Vec<T>,
    /// What to give as `continue` for the next page; absent on the last one.
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl<T> Page<T> {
    /// The first `limit` of `items`; `place` names an item so that the next page begins after it.
    pub(in crate::serve) fn of<I>(
        items: impl Iterator<Item = I>,
        limit: usize,
        place: impl Fn(&I) -> String,
        document: impl Fn(I) -> T,
    ) -> Self {
        let mut items = items.peekable();
        let mut page = Self {
            items: Vec::new(),
            next: None,
        };
        while let Some(item) = items.next() {
            if page.items.len() + 1 == limit && items.peek().is_some() {
                page.next = Some(place(&item));
            }
            page.items.push(document(item));
            if page.items.len() == limit {
                break;
            }
        }
        page
    }
}

/// The limit asked for.
pub(in crate::serve) fn limit(asked: Option<usize>) -> Result<usize, BadRequest> {
    match asked {
        None => Ok(DEFAULT_LIMIT),
        Some(limit @ 1..=MAX_LIMIT) => Ok(limit),
        Some(other) => Err(BadRequest::Value {
            name: "limit",
            value: other.to_string(),
            remedy: "give 1 to 1000, and follow `continue` for more",
        }),
    }
}

/// The place to go on from, as `N` names joined by slashes.
pub(in crate::serve) fn place<const N: usize>(token: &str) -> Result<[&str; N], BadRequest> {
    let names: Vec<&str> = token.split('/').collect();
    names.try_into().map_err(|_| BadRequest::Value {
        name: "continue",
        value: wire::quoted(token),
        remedy: "give the `continue` of the page before, unchanged, or leave it out",
    })
}

/// The parameters of a list.
pub(in crate::serve) fn parameters<T>(
    query: Result<UrlQuery<T>, QueryRejection>,
    allowed: &'static str,
) -> Result<T, BadRequest> {
    query
        .map(|UrlQuery(parameters)| parameters)
        .map_err(|rejection| BadRequest::Query {
            problem: rejection.body_text(),
            allowed,
        })
}
