//! A world: a mesh in force at a real Envoy, with a load on its listeners that minds every answer.

use std::time::Duration;

use fusegate_xds::runtime::{self, RuntimeValue};
use fusegate_xds::{Absent, Resource, TypeUrl, Update};
use tokio_rustls::rustls::pki_types::CertificateDer;

use crate::authority::Authority;
use crate::front::Front;
use crate::http::Client;
use crate::load::Load;
use crate::plane::Plane;
use crate::ports::{free_port, local};
use crate::proxy::{Proxy, Variant};
use crate::resources::{Mesh, endpoints, routes, token};
use crate::upstream::Upstream;
use crate::wait::until;

pub(crate) const TIMEOUT: Duration = Duration::from_secs(1);
/// A runtime key that only the tests look at.
pub(crate) const KEY: &str = "fusegate.test";

pub(crate) struct World {
    pub(crate) variant: Variant,
    pub(crate) mesh: Mesh,
    pub(crate) plane: Plane,
    pub(crate) proxy: Proxy,
    pub(crate) authority: Authority,
    pub(crate) one: Upstream,
    pub(crate) two: Upstream,
    pub(crate) plain: Front,
    pub(crate) encrypted: Front,
    pub(crate) plain_load: Load,
    pub(crate) encrypted_load: Load,
    beats: u32,
}

/// What one step of a change publishes, and by which resource the proxy shows that it has come.
pub(crate) struct Step {
    pub(crate) publish: Box<dyn Fn(Update) -> Update>,
    pub(crate) shown_by: Vec<(TypeUrl, String)>,
}

/// The layer `name`, with the key set to `value`.
pub(crate) fn layer(name: &str, value: u32) -> Resource {
    runtime::layer(name, [(KEY, RuntimeValue::Number(value.into()))])
}

impl World {
    /// Everything goes to the cluster `one`, at the upstream `one`.
    pub(crate) async fn start(variant: Variant) -> Self {
        let (one, two) = (Upstream::start("one").await, Upstream::start("two").await);
        let (plane, mesh, authority) = (Plane::start().await, Mesh { variant }, Authority::new());
        let plain = Front::on(free_port());
        let encrypted = Front {
            name: "encrypted",
            certificate: "certificate",
            ..Front::on(free_port())
        };
        let empty = Absent::default_to(|name| Some(runtime::layer(name, [])));
        plane.store.publish(
            Update::new()
                .absent(TypeUrl::RUNTIME, empty)
                .put(layer("shop", 1))
                .put(plain.listener(mesh))
                .put(encrypted.listener(mesh))
                .put(routes("routes", "one"))
                .put(mesh.cluster("one", TIMEOUT))
                .put(endpoints("one", &[one.address]))
                .put(mesh.injector("injector", ""))
                .put(authority.secret("certificate").0)
                .put(token("token")),
        );
        let proxy = Proxy::start(plane.address, variant, &["shop", "beat"], true).await;
        let ready = async || Client::to(local(plain.port)).get("/").await;
        until("the first answer", Ok((200, "one token".into())), ready).await;
        let client = || Client::to(local(encrypted.port)).tls(authority.trusted());
        let ready = async || client().get("/").await;
        until(
            "the first encrypted answer",
            Ok((200, "one token".into())),
            ready,
        )
        .await;
        let name = |what: &str| format!("{what} load, {variant:?}");
        Self {
            plain_load: Load::start(&name("plain"), Client::to(local(plain.port))),
            encrypted_load: Load::start(&name("encrypted"), client()),
            variant,
            mesh,
            plane,
            proxy,
            authority,
            one,
            two,
            plain,
            encrypted,
            beats: 0,
        }
    }

    /// Publishes it all at once where the server sees to the order, which takes one stream for all types (rules 31 and 32).
    ///
    /// Where each type has streams of its own nothing orders them, and the publisher must wait for each step to be taken.
    pub(crate) async fn change(&self, steps: Vec<Step>) {
        if self.variant.ads {
            let all = steps
                .iter()
                .fold(Update::new(), |update, step| (step.publish)(update));
            self.plane.store.publish(all);
            return;
        }
        for step in steps {
            self.plane.store.publish((step.publish)(Update::new()));
            for (type_url, name) in step.shown_by {
                self.plane.taken(&type_url, &name).await;
            }
        }
    }

    pub(crate) fn publish(&self, update: Update) {
        self.plane.store.publish(update);
    }

    pub(crate) fn put(&self, resource: Resource) {
        self.publish(Update::new().put(resource));
    }

    /// Both loads come to get `body`.
    pub(crate) async fn settles_on(&self, body: &str) {
        tokio::join!(
            self.plain_load.settles_on(body),
            self.encrypted_load.settles_on(body)
        );
    }

    /// Both loads go on for a while.
    pub(crate) async fn goes_on(&self) {
        tokio::join!(self.plain_load.goes_on(10), self.encrypted_load.goes_on(10));
    }

    /// Something else is published, and reaches the clients.
    pub(crate) async fn beat(&mut self) {
        self.beats += 1;
        let beat = format!("beat-{}", self.beats);
        self.put(token(&beat));
        self.settles_on(&format!("one {beat}")).await;
    }

    /// A statistic of the proxy comes to have this value.
    pub(crate) async fn stat(&self, name: &str, value: u64) {
        until(name, Some(value), async || self.proxy.stat(name).await).await;
    }

    /// A new connection is shown this certificate.
    pub(crate) async fn shows(&self, certificate: &CertificateDer<'_>) {
        until("the certificate", true, async || {
            let address = local(self.encrypted.port);
            let mut client = Client::to(address).tls(self.authority.trusted());
            client.get("/").await.unwrap();
            client.certificate() == Some(certificate)
        })
        .await;
    }
}

/// A step that is shown by these resources.
pub(crate) fn step(
    publish: impl Fn(Update) -> Update + 'static,
    shown_by: &[(TypeUrl, &str)],
) -> Step {
    let shown_by = shown_by
        .iter()
        .map(|(of, name)| (of.clone(), (*name).to_owned()));
    Step {
        publish: Box::new(publish),
        shown_by: shown_by.collect(),
    }
}
