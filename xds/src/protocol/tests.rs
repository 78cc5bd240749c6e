//! The rules of the protocol that concern both variants, by their numbers.

mod order;
mod rules;
mod scope;
mod sync_status;
mod ttl;

use super::testing::client::Client;
use crate::type_url::TypeUrl;
use crate::{delta, sotw};

/// A client of a type of which something is published: [`sotw`] or [`delta`].
type Connect<V> = fn(TypeUrl, &str) -> Client<V>;

fn sotw(type_url: TypeUrl, published: &str) -> Client<sotw::Subscription> {
    Client::new(type_url, published)
}

fn delta(type_url: TypeUrl, published: &str) -> Client<delta::Subscription> {
    Client::new(type_url, published)
}
