//! The hook.

use std::sync::Arc;

use tokio::sync::mpsc;
use tonic::{Code, Status};

use super::{Running, delta_request, node, sotw_request};
use crate::peer::Peer;
use crate::protocol::{Rejection, Response};
use crate::proxies::Proxy;
use crate::server::{Config, Hook, Request, Server};
use crate::store::Store;
use crate::type_url::TypeUrl;

/// Who asked, and for what.
type Asked = (Option<String>, Vec<String>);

/// Nobody may ask for the layer `vault`, and nobody gets the layer `secret`.
#[derive(Debug)]
struct Guard {
    seen: mpsc::UnboundedSender<Asked>,
}

impl Hook for Guard {
    fn request(
        &self,
        proxy: Option<&Proxy>,
        peer: &Peer,
        request: Request<'_>,
    ) -> Result<(), Status> {
        assert!(peer.address.is_some());
        let names = match request {
            Request::Sotw(request) => &request.resource_names,
            Request::Delta(request) => &request.resource_names_subscribe,
        };
        let id = proxy.map(|proxy| proxy.node.id.clone());
        let _ = self.seen.send((id, names.clone()));
        if names.iter().any(|name| name == "vault") {
            return Err(Status::permission_denied("the vault is closed"));
        }
        Ok(())
    }

    fn response(&self, _: &Proxy, response: &Response) -> Result<(), Rejection> {
        let secret = |name: &Arc<str>| **name == *"secret";
        if response.resources.iter().any(|one| secret(one.name())) {
            let message = "it is secret".to_owned();
            return Err(Rejection { code: 7, message });
        }
        Ok(())
    }
}

async fn start() -> (Running, mpsc::UnboundedReceiver<Asked>) {
    let (seen, asked) = mpsc::unbounded_channel();
    let config = Config {
        hook: Some(Arc::new(Guard { seen })),
        identifier: Some("replica-7".into()),
        ..Config::default()
    };
    let store = Arc::new(Store::new());
    let server = Server::new(Arc::clone(&store), config);
    (Running::of(server, store).await, asked)
}

#[tokio::test]
async fn it_sees_each_request_and_ends_the_stream_of_one_that_it_refuses() {
    let (running, mut asked) = start().await;
    running.publish("shop", 1.0);
    let mut stream = running.sotw().await;
    stream.send(sotw_request(&["shop"])).await;
    stream.receive().await.unwrap();
    stream.send(sotw_request(&["vault"])).await;
    let status = stream.receive().await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(status.message(), "the vault is closed");
    assert_eq!(asked.recv().await, Some((None, vec!["shop".to_owned()])));
    let second = (Some(node().id), vec!["vault".to_owned()]);
    assert_eq!(asked.recv().await, Some(second));
}

#[tokio::test]
async fn a_response_that_it_refuses_is_parked_and_the_rest_goes_on() {
    let (running, _asked) = start().await;
    running.publish("secret", 1.0);
    let mut stream = running.delta().await;
    stream.send(delta_request(&["secret"])).await;
    running
        .eventually(|server| server.counts().nacks == 1)
        .await;
    running.publish("shop", 1.0);
    stream.send(delta_request(&["shop"])).await;
    let first = stream.receive().await.unwrap();
    assert_eq!(first.resources.len(), 1);
    assert_eq!(first.resources[0].name, "shop");
    let refused = running.server.proxies().list().remove(0);
    let status = refused.of_type(&TypeUrl::RUNTIME).unwrap();
    let refusal = status.nacked.as_ref().unwrap();
    assert_eq!(refusal.rejection.message, "it is secret");
}

#[tokio::test]
async fn clients_are_told_who_answers_them() {
    let (running, _asked) = start().await;
    running.publish("shop", 1.0);
    let mut delta = running.delta().await;
    delta.send(delta_request(&["shop"])).await;
    let told = delta.receive().await.unwrap().control_plane.unwrap();
    assert_eq!(told.identifier, "replica-7");
    let mut sotw = running.sotw().await;
    sotw.send(sotw_request(&["shop"])).await;
    let response = sotw.receive().await.unwrap();
    assert_eq!(response.type_url, TypeUrl::RUNTIME.as_str());
    assert_eq!(response.control_plane.unwrap().identifier, "replica-7");
}
