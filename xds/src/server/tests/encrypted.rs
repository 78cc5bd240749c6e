//! TLS, with certificates made for the occasion.

use std::sync::Arc;
use std::time::SystemTime;

use envoy_types::pb::envoy::config::core::v3::Node as WireNode;
use envoy_types::pb::envoy::service::discovery::v3::DeltaDiscoveryRequest;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use super::{Running, delta_request};
use crate::node::Node;
use crate::peer::Peer;
use crate::protocol::Scope;
use crate::server::{Assignment, Config, Server, Tls, TlsFailure, TlsMaterial};
use crate::store::Store;
use crate::type_url::TypeUrl;

/// An authority that makes certificates.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) certificate: String,
}

impl Authority {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(parameters, key),
            certificate,
        }
    }

    /// A certificate for `localhost`, and its key.
    pub(super) fn issue(&self) -> (String, String) {
        self.issue_to("localhost", None)
    }

    /// A certificate for a host, and for a URI.
    pub(super) fn issue_to(&self, host: &str, uri: Option<&str>) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec![host.into()]).unwrap();
        let uri = uri.map(|uri| SanType::URI(uri.try_into().unwrap()));
        parameters.subject_alt_names.extend(uri);
        (
            parameters.signed_by(&key, &self.issuer).unwrap().pem(),
            key.serialize_pem(),
        )
    }

    fn material(&self, clients: Option<&Self>) -> TlsMaterial {
        let (certificate, key) = self.issue();
        TlsMaterial {
            certificates: certificate.into(),
            key: key.into(),
            client_authorities: clients.map(|clients| clients.certificate.clone().into()),
        }
    }

    /// What a client needs that trusts this authority.
    pub(super) fn trusted(&self) -> ClientTlsConfig {
        let authority = Certificate::from_pem(&self.certificate);
        ClientTlsConfig::new()
            .ca_certificate(authority)
            .domain_name("localhost")
    }
}

async fn serve(tls: &Tls) -> Running {
    let config = Config {
        tls: Some(tls.clone()),
        ..Config::default()
    };
    let store = Arc::new(Store::new());
    Running::of(Server::new(Arc::clone(&store), config), store).await
}

/// Whether a client that is set up so is served.
async fn is_served(running: &mut Running, client: ClientTlsConfig) -> bool {
    let address = format!("https://{}", running.address);
    let endpoint = Endpoint::from_shared(address)
        .unwrap()
        .tls_config(client)
        .unwrap();
    // With TLS 1.3 a client learns only from the first answer whether its certificate was taken.
    let Ok(channel) = endpoint.connect().await else {
        return false;
    };
    running.channel = channel;
    let Some(mut stream) = running.try_delta().await else {
        return false;
    };
    stream.send(delta_request(&["shop"])).await;
    stream.receive().await.is_ok()
}

#[tokio::test]
async fn a_new_certificate_needs_no_reconnection() {
    let (old, new) = (Authority::new(), Authority::new());
    let tls = Tls::new(&old.material(None)).unwrap();
    let mut running = serve(&tls).await;
    assert!(!is_served(&mut running, new.trusted()).await);
    assert!(is_served(&mut running, old.trusted()).await);
    let mut standing = running.delta().await;
    tls.replace(&new.material(None)).unwrap();
    assert!(is_served(&mut running, new.trusted()).await);
    assert!(!is_served(&mut running, old.trusted()).await);
    standing.send(delta_request(&["shop"])).await;
    assert!(standing.receive().await.is_ok());
}

#[test]
fn it_is_known_when_the_certificate_in_use_expires() {
    let authority = Authority::new();
    let until = |year| {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec!["localhost".into()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(year, 2, 3);
        let certificate = parameters.signed_by(&key, &authority.issuer).unwrap();
        let chain = [certificate.pem(), authority.certificate.clone()].concat();
        TlsMaterial {
            certificates: chain.into(),
            key: key.serialize_pem().into(),
            client_authorities: None,
        }
    };
    let expires = |tls: &Tls| {
        let since = tls.expires()?.duration_since(SystemTime::UNIX_EPOCH);
        Some(since.unwrap().as_secs())
    };
    // 2031 is written as UTCTime, and 2061 as GeneralizedTime.
    let tls = Tls::new(&until(2031)).unwrap();
    assert_eq!(expires(&tls), Some(1_927_843_200));
    let bad = TlsMaterial {
        key: "no key".into(),
        ..until(2045)
    };
    assert!(tls.replace(&bad).is_err());
    assert_eq!(expires(&tls), Some(1_927_843_200));
    tls.replace(&until(2061)).unwrap();
    assert_eq!(expires(&tls), Some(2_874_614_400));
}

#[tokio::test]
async fn clients_must_have_a_certificate_where_that_is_demanded() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let tls = Tls::new(&servers.material(Some(&clients))).unwrap();
    let mut running = serve(&tls).await;
    let with = |authority: &Authority| {
        let (certificate, key) = authority.issue();
        servers
            .trusted()
            .identity(Identity::from_pem(certificate, key))
    };
    assert!(!is_served(&mut running, servers.trusted()).await);
    assert!(!is_served(&mut running, with(&servers)).await);
    assert!(is_served(&mut running, with(&clients)).await);
}

#[tokio::test]
async fn a_client_has_the_names_that_its_certificate_says_and_no_others() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let tls = Tls::new(&servers.material(Some(&clients))).unwrap();
    let config = Config {
        tls: Some(tls),
        ..Config::default()
    };
    let store = Arc::new(Store::new());
    let assign = {
        let store = Arc::clone(&store);
        move |_: &Node, peer: &Peer| {
            let certificate = peer.certificate.clone()?;
            let scope = Scope::only("ask for a certificate", move |_, name| {
                let own = format!("spiffe://test/ns/{name}");
                certificate.uris.contains(&own) && certificate.dns_names == ["*.example.com"]
            });
            let store = Arc::clone(&store);
            Some(Assignment { store, scope })
        }
    };
    let server = Server::assigned(Arc::new(assign), config, Arc::new(()));
    let mut running = Running::of(server, store).await;
    for name in ["shop", "bank"] {
        running.publish(name, 1.0);
    }
    let (certificate, key) = clients.issue_to("*.example.com", Some("spiffe://test/ns/shop"));
    let identity = Identity::from_pem(certificate, key);
    assert!(is_served(&mut running, servers.trusted().identity(identity)).await);
    let mut stream = running.delta().await;
    stream.send(delta_request(&["shop", "bank"])).await;
    let response = stream.receive().await.unwrap();
    assert_eq!(response.resources[0].name, "shop");
    assert_eq!(response.removed_resources, ["bank"]);
    assert_eq!(running.server.counts().names_denied, 1);
    let mut told = running.delta().await;
    let announcing = WireNode {
        id: "test".into(),
        client_features: vec!["xds.config.supports-resource-errors".into()],
        ..WireNode::default()
    };
    let request = DeltaDiscoveryRequest {
        node: Some(announcing),
        ..delta_request(&["bank"])
    };
    told.send(request).await;
    let failed = told.receive().await.unwrap().resource_errors.remove(0);
    let status = failed.error_detail.unwrap();
    assert_eq!(status.code, 7);
    assert!(
        status.message.contains("ask for a certificate"),
        "{status:?}"
    );
    let version = {
        let snapshot = running.store.snapshot();
        let layers = snapshot.collection(&TypeUrl::RUNTIME).unwrap();
        layers.published("bank").unwrap().version()
    };
    let proxies = running.server.proxies();
    let counted = proxies.programmed(&TypeUrl::RUNTIME, "bank", version);
    assert_eq!(counted.subscribed, 0, "who may not have it does not count");
}

#[tokio::test]
async fn a_plain_client_is_not_served_over_tls() {
    let running = serve(&Tls::new(&Authority::new().material(None)).unwrap()).await;
    let channel = Channel::from_shared(format!("http://{}", running.address))
        .unwrap()
        .connect_lazy();
    let plain = Running { channel, ..running };
    assert!(plain.try_delta().await.is_none());
}

#[test]
fn material_that_cannot_be_used_is_named_and_changes_nothing() {
    let authority = Authority::new();
    let good = authority.material(None);
    let tls = Tls::new(&good).unwrap();
    let without_key = TlsMaterial {
        key: b"none".to_vec(),
        ..good.clone()
    };
    assert!(matches!(
        tls.replace(&without_key),
        Err(TlsFailure::ReadKey(_))
    ));
    let other_key = TlsMaterial {
        key: authority.issue().1.into(),
        ..good.clone()
    };
    assert!(matches!(
        tls.replace(&other_key),
        Err(TlsFailure::UseCertificate(_))
    ));
    let nobody = TlsMaterial {
        client_authorities: Some(Vec::new()),
        ..good
    };
    assert!(matches!(
        tls.replace(&nobody),
        Err(TlsFailure::TrustAuthorities(_))
    ));
}
