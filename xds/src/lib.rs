//! An xDS server library: publish resources to a [`Store`], and a [`Server`] keeps every client up to date.
//!
//! It speaks both variants of the protocol, state of the world and delta, over ADS and over each type's own service.
//! Versions are content hashes, publishing costs what changed, and streams that do not subscribe to what changed do nothing.
//! The protocol itself lives in [`sotw`] and [`delta`], two state machines without IO, which can be driven by anything.
//!
//! # A control plane that publishes one runtime layer
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use fusegate_xds::runtime::{self, RuntimeValue};
//! use fusegate_xds::{Config, Server, Store, Update};
//! use tokio::net::TcpListener;
//! use tokio_util::sync::CancellationToken;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Arc::new(Store::new());
//! let server = Server::new(Arc::clone(&store), Config::default());
//! let listener = TcpListener::bind("127.0.0.1:18000").await?;
//! let shutdown = CancellationToken::new();
//! let serving = tokio::spawn({
//!     let (server, shutdown) = (server.clone(), shutdown.clone());
//!     async move { server.serve(listener, shutdown).await }
//! });
//!
//! // Every Envoy that subscribes to the layer `shop` now answers 503 for the cluster `checkout` …
//! let shed = [("upstream.maintenance_mode.checkout", RuntimeValue::Number(100.0))];
//! store.publish(Update::new().put(runtime::layer("shop", shed)));
//!
//! // … and serves it again. Publishing the same once more would change nothing and wake nobody.
//! store.publish(Update::new().put(runtime::layer("shop", [])));
//!
//! for proxy in server.proxies().list() {
//!     println!("{} speaks {}", proxy.node.id, proxy.transport.name());
//! }
//! shutdown.cancel();
//! serving.await??;
//! # Ok(())
//! # }
//! ```
//!
//! # Who took what, who refused what, and why
//!
//! An [`Observer`] is told of every ACK and NACK with the response it answers, and [`Proxies`] shows the same as state:
//! [`Proxies::programmed`] counts who has a version of a resource, and quotes those who refused it.
//! What a client refuses is parked on its stream until content or subscription changes; others are served on.
//!
//! A client refuses a response as a whole, and seldom says clearly which resource was bad, let alone which key of it.
//! With [`Config::bisect`](server::Config::bisect) that client, and no other, is then offered its last good version with part of the changes,
//! until the bad ones are known: they stay parked, the good ones are delivered, and [`Observer::isolated`] names resource, part and the client's words.
//!
//! ```
//! use std::sync::Arc;
//!
//! use fusegate_xds::bisect::Bisect;
//! use fusegate_xds::{Config, TypeUrl, runtime};
//!
//! let bisect = Bisect::nothing()
//!     .resources(TypeUrl::CLUSTER)                  // which of the changed clusters
//!     .parts(TypeUrl::RUNTIME, runtime::keys());    // which key of a layer
//! let config = Config { bisect: Arc::new(bisect), ..Config::default() };
//! # drop(config);
//! ```
//!
//! # Canaries first
//!
//! [`Waves`](server::Waves) publishes to a part of the nodes first, and to the others once those have taken it;
//! when they refuse it they get their last good version back. Its page has an example.
//!
//! # Who may come, and what they may have
//!
//! [`Config::tls`](server::Config) encrypts connections and demands certificates, which can be replaced while serving.
//! [`Server::assigned`] asks a function for each stream which [`Store`] it is served from and which names of it it may have,
//! by what the client says of itself ([`Node`](node::Node)) and by what its connection proves ([`Peer`]).
//!
//! ```
//! use std::sync::Arc;
//!
//! use fusegate_xds::node::Node;
//! use fusegate_xds::{Assignment, Config, Peer, Scope, Server, Store};
//!
//! let store = Arc::new(Store::new());
//! let assign = move |_: &Node, peer: &Peer| {
//!     let certificate = peer.certificate.clone()?;
//!     let scope = Scope::only("ask for a certificate that names it", move |_, name| {
//!         certificate.dns_names.iter().any(|own| own == name)
//!     });
//!     let store = Arc::clone(&store);
//!     Some(Assignment { store, scope })
//! };
//! let server = Server::assigned(Arc::new(assign), Config::default(), Arc::new(()));
//! # drop(server);
//! ```
//!
//! # Without a server
//!
//! The features `server`, `tls` and `waves` are there by default.
//! Without them, what is left has no IO and no clock, and whoever has a transport drives it:
//!
//! ```
//! use std::time::Duration;
//!
//! use fusegate_xds::delta::{Delta, Request};
//! use fusegate_xds::protocol::Limits;
//! use fusegate_xds::{Store, TypeUrl, Update, runtime};
//!
//! let store = Store::new();
//! store.publish(Update::new().put(runtime::layer("shop", [])));
//! let mut stream = Delta::new(Limits::default());
//! let subscribe = vec!["shop".into()];
//! stream.request(&Request { subscribe, ..Request::new(TypeUrl::RUNTIME) })?;
//! let response = stream.next(&store.snapshot(), Duration::ZERO).expect("a response is due");
//! let mut message = Vec::new();
//! Delta::encode(&response, &mut message);
//! assert_eq!(stream.next(&store.snapshot(), Duration::from_secs(1)), None, "the answer is waited for");
//! # Ok::<(), fusegate_xds::protocol::Refusal>(())
//! ```
//!
//! [`Store::watch`] says when to ask for the next response.
//! `envoy-types`, which has the messages, depends on tonic even so.
//!
//! # Resources out of text, on demand, and a hook
//!
//! `json`, a feature, reads proto JSON and YAML.
//! [`Server::on_demand`] makes resources when their names are subscribed to, and drops them when nobody wants them any longer.
//! A [`Hook`](server::Hook) sees each request and each response, and may refuse either.
//! [`Server::routes`] is for a router and a transport of one's own.
//!
//! # Bounds
//!
//! Whatever clients can make grow has a bound in [`Config`] and [`Limits`](protocol::Limits).
//! At each bound the client is told its name, and [`Server::counts`] counts it.
//!
//! # What is where
//!
//! | module | what it holds | what it may not do |
//! |---|---|---|
//! | [`resource`], [`runtime`] | resources, encoded once | IO |
//! | [`snapshot`], [`store`] | what is published, and who is woken when it changes | tokio, tonic |
//! | [`consistency`] | what of an update cannot work | IO |
//! | [`sotw`], [`delta`], [`protocol`] | the protocol of one stream | IO, clocks, tokio, tonic |
//! | [`bisect`] | the search for what a client refuses | IO, clocks |
//! | [`wave`] | when a change that went to canaries goes to all | IO, clocks |
//! | [`observer`], [`proxies`], [`peer`], [`node`] | who the clients are, and what became of it | block |
//! | [`server`] | gRPC | decide anything |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(all(feature = "server", feature = "waves")),
    allow(
        dead_code,
        unused_imports,
        reason = "what only the missing features use"
    )
)]

pub mod bisect;
pub mod consistency;
pub mod delta;
#[cfg(feature = "json")]
pub mod json;
pub mod node;
#[cfg(feature = "server")]
pub mod observer;
pub mod peer;
pub mod protocol;
#[cfg(feature = "server")]
pub mod proxies;
pub mod resource;
pub mod runtime;
#[cfg(feature = "server")]
pub mod server;
pub mod snapshot;
pub mod sotw;
pub mod store;
pub mod type_url;
pub mod version;
pub mod wave;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod canonical;
mod encode;
mod name;
mod sync;
mod wire;

pub use envoy_types;
pub use prost;

#[cfg(feature = "server")]
pub use observer::Observer;
pub use peer::Peer;
pub use protocol::Scope;
#[cfg(feature = "server")]
pub use proxies::Proxies;
pub use resource::{Resource, pack};
pub use runtime::RuntimeValue;
#[cfg(feature = "server")]
pub use server::{Assignment, Config, Server};
pub use snapshot::Absent;
pub use store::{Published, Store, Update};
pub use type_url::TypeUrl;
pub use version::Version;
