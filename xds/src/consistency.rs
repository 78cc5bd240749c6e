//! Consistency: what of an update cannot work, found before it is published.

mod routes;

use std::sync::Arc;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::Secret;
use envoy_types::pb::envoy::service::runtime::v3::Runtime;
use prost::Message;

use crate::name;
use crate::resource::Resource;
use crate::snapshot::{Answer, Snapshot};
use crate::store::{Published, Store, Update};
use crate::type_url::TypeUrl;

/// Something that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inconsistency {
    /// A resource has no name, so that nobody can ask for it.
    #[error("a resource of the type {} has an empty name; give it the name that clients ask for", .type_url.last_part())]
    EmptyName {
        /// Its type.
        type_url: TypeUrl,
    },
    /// A resource has another name than the message in it, by which clients go.
    #[error(
        "{} `{name}` holds a message that is called `{message_name}`; give both the same name",
        .type_url.last_part()
    )]
    OtherName {
        /// Its type.
        type_url: TypeUrl,
        /// Its name.
        name: Arc<str>,
        /// The message's name.
        message_name: String,
    },
    /// A resource is no message of its type.
    #[error("{} `{name}` is no message of that type: {reason}", .type_url.last_part())]
    NoMessage {
        /// Its type.
        type_url: TypeUrl,
        /// Its name.
        name: Arc<str>,
        /// Why.
        reason: String,
    },
    /// A resource refers to another that there is not, and that the client asks this server for.
    #[error(
        "{} `{name}` refers to {} `{missing}`, which is not published; publish it in the same update, or remove the reference",
        .type_url.last_part(),
        .to.last_part()
    )]
    NothingThere {
        /// The type of what refers.
        type_url: TypeUrl,
        /// Its name.
        name: Arc<str>,
        /// The type of what is missing.
        to: TypeUrl,
        /// Its name.
        missing: Arc<str>,
    },
    /// An update has several resources of one name, of which only the last counts.
    #[error("{} `{name}` is in the update several times; keep one of them", .type_url.last_part())]
    Twice {
        /// Their type.
        type_url: TypeUrl,
        /// Their name.
        name: Arc<str>,
    },
}

/// An update that is not published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the update is not published: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Inconsistent(
    /// Why: all that cannot work.
    pub Vec<Inconsistency>,
);

impl Store {
    /// What cannot work once `update` is published; what was so before is told again.
    ///
    /// It looks at all that is published of clusters, endpoints, listeners and routes, and costs that.
    /// Clusters that are in a client's bootstrap are not known here: a route to one is told of.
    pub fn check(&self, update: &Update) -> Vec<Inconsistency> {
        let (next, _) = self.preview(update);
        let mut all: Vec<Inconsistency> = update
            .repeated()
            .map(|(type_url, name)| Inconsistency::Twice { type_url, name })
            .collect();
        for type_url in next.types() {
            for resource in next.contents(type_url).resources() {
                all.extend(of_name(resource));
                all.extend(of_references(resource, &next));
            }
        }
        all
    }

    /// Publishes `update` only if all of it can work ([`Store::check`]).
    ///
    /// # Errors
    ///
    /// All that cannot.
    pub fn publish_strictly(&self, update: Update) -> Result<Published, Inconsistent> {
        let all = self.check(&update);
        if all.is_empty() {
            Ok(self.publish(update))
        } else {
            Err(Inconsistent(all))
        }
    }
}

/// What is wrong with the resource's own name.
fn of_name(resource: &Resource) -> Option<Inconsistency> {
    let (type_url, name) = (resource.type_url().clone(), Arc::clone(resource.name()));
    if name.is_empty() {
        return Some(Inconsistency::EmptyName { type_url });
    }
    match message_name(resource)? {
        Err(cause) => Some(Inconsistency::NoMessage {
            type_url,
            name,
            reason: cause.to_string(),
        }),
        Ok(message_name) if name::canonical(&message_name) == *name => None,
        Ok(message_name) => Some(Inconsistency::OtherName {
            type_url,
            name,
            message_name,
        }),
    }
}

/// The name in the message, where its type has one that counts.
fn message_name(resource: &Resource) -> Option<Result<String, prost::DecodeError>> {
    let body = resource.body();
    let of = resource.type_url();
    Some(if *of == TypeUrl::CLUSTER {
        Cluster::decode(body).map(|message| message.name)
    } else if *of == TypeUrl::ENDPOINT {
        ClusterLoadAssignment::decode(body).map(|message| message.cluster_name)
    } else if *of == TypeUrl::LISTENER {
        Listener::decode(body).map(|message| message.name)
    } else if *of == TypeUrl::ROUTE {
        RouteConfiguration::decode(body).map(|message| message.name)
    } else if *of == TypeUrl::SECRET {
        Secret::decode(body).map(|message| message.name)
    } else if *of == TypeUrl::RUNTIME {
        Runtime::decode(body).map(|message| message.name)
    } else {
        return None;
    })
}

/// What the resource refers to that is not there.
fn of_references(resource: &Resource, snapshot: &Snapshot) -> Vec<Inconsistency> {
    let aggregated = resource.references().iter().filter(|one| one.aggregated);
    let named = aggregated.filter(|one| *one.name != *"*");
    let own = named.map(|one| (one.type_url.clone(), Arc::clone(&one.name)));
    let clusters = routes::clusters(resource)
        .into_iter()
        .map(|name| (TypeUrl::CLUSTER, Arc::from(name)));
    let is_missing = |(to, name): &(TypeUrl, Arc<str>)| {
        matches!(snapshot.contents(to).answer(name), Answer::Missing)
    };
    let missing = own.chain(clusters).filter(is_missing);
    missing
        .map(|(to, missing)| Inconsistency::NothingThere {
            type_url: resource.type_url().clone(),
            name: Arc::clone(resource.name()),
            to,
            missing,
        })
        .collect()
}

#[cfg(test)]
mod tests;
