//! A converter: a conversion webhook that answers. What `v1` calls `.spec.size`, `v2` calls `.spec.length`.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use axum::{Json, Router, routing::post};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use super::place::base64;

/// Ends with the value that stands for it.
pub(super) struct Converter {
    /// The `conversion` of a CRD that asks it.
    pub(super) conversion: Value,
    task: JoinHandle<()>,
}

impl Converter {
    pub(super) async fn start() -> Result<Self> {
        let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let key = PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der());
        let chain = vec![certified.cert.der().clone()];
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::Pkcs8(key))?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("https://{}/convert", listener.local_addr()?);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self {
            conversion: json!({"strategy": "Webhook", "webhook": {
                "conversionReviewVersions": ["v1"],
                "clientConfig": {"url": url, "caBundle": base64(&certified.cert.pem())},
            }}),
            task: tokio::spawn(serve(listener, acceptor)),
        })
    }
}

impl Drop for Converter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor) {
    let router = Router::new().route("/convert", post(convert));
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, router) = (acceptor.clone(), router.clone());
        tokio::spawn(async move {
            let stream = acceptor.accept(stream).await?;
            let service = TowerToHyperService::new(router);
            let builder = Builder::new(TokioExecutor::new());
            let served = builder.serve_connection(TokioIo::new(stream), service);
            served.await.map_err(|error| anyhow::anyhow!(error))
        });
    }
}

async fn convert(Json(review): Json<Value>) -> Json<Value> {
    let request = &review["request"];
    let wanted = request["desiredAPIVersion"].as_str().unwrap_or_default();
    let objects = request["objects"].as_array().into_iter().flatten();
    let converted: Option<Vec<Value>> = objects
        .map(|object| converted(object.clone(), wanted).ok())
        .collect();
    let result = if converted.is_some() {
        "Success"
    } else {
        "Failed"
    };
    Json(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview",
        "response": {"uid": request["uid"], "result": {"status": result}, "convertedObjects": converted},
    }))
}

/// An object in the version that is wanted.
fn converted(mut object: Value, wanted: &str) -> Result<Value> {
    let (_, version) = wanted.split_once('/').context("no version")?;
    let (from, to) = match version {
        "v1" => ("length", "size"),
        _ => ("size", "length"),
    };
    object["apiVersion"] = json!(wanted);
    if let Some(spec) = object["spec"].as_object_mut()
        && let Some(value) = spec.remove(from)
    {
        spec.insert(to.to_owned(), value);
    }
    Ok(object)
}
