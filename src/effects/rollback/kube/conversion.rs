//! The conversion webhook of a CRD: asked, before a rollback, as the API server asks it.
//!
//! It is asked to convert nothing. Any answer shows that it is there.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Uri};
use kube::{Client, Config, Error};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::effects::cluster::{Cluster, brief};
use crate::effects::rollback::stop::Stop;
use crate::revision::restored;
use crate::wire::effect::Rollback;

/// How long it may take; the API server gives it 30 seconds.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// Where it is.
struct Webhook {
    /// As whoever is in the cluster reaches it.
    url: String,
    /// The path at the API server that leads to it, where it is a service.
    proxied: Option<String>,
    /// The certificates that it is trusted by, in PEM.
    bundle: Vec<u8>,
    versions: Value,
}

pub(super) async fn check(
    cluster: &Cluster,
    rollback: &Rollback,
    live: &Value,
) -> Result<(), Stop> {
    let live = live.get("spec").unwrap_or(&Value::Null);
    let spec = restored(live, &rollback.target.spec);
    if spec.pointer("/conversion/strategy").and_then(Value::as_str) != Some("Webhook") {
        return Ok(());
    }
    let webhook = Webhook::of(&spec);
    let review = webhook.review(&spec).to_string().into_bytes();
    let Err(direct) = webhook.ask(&review).await else {
        return Ok(());
    };
    // Whoever runs outside of the cluster gets there through the API server.
    if let Some(proxied) = &webhook.proxied
        && send(&cluster.client, proxied, &review).await.is_ok()
    {
        return Ok(());
    }
    Err(unreachable(&rollback.crd.name, &direct))
}

/// The webhook does not answer.
pub(super) fn unreachable(crd: &str, why: &str) -> Stop {
    Stop::blocked(
        "ConversionUnreachable",
        format!(
            "the conversion webhook of {crd} does not answer, and without it objects can be neither read nor written: \
             {why}; bring it back first"
        ),
    )
}

impl Webhook {
    fn of(spec: &Value) -> Self {
        let webhook = spec.pointer("/conversion/webhook");
        let client = webhook.and_then(|webhook| webhook.get("clientConfig"));
        let service = client.and_then(|client| client.get("service"));
        let text = |from: Option<&Value>, name: &str| {
            let text = from.and_then(|from| from.get(name)).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let bundle = STANDARD
            .decode(text(client, "caBundle"))
            .unwrap_or_default();
        let versions = webhook.and_then(|webhook| webhook.get("conversionReviewVersions"));
        let versions = versions.cloned().unwrap_or_default();
        if service.is_none() {
            return Self {
                url: text(client, "url"),
                proxied: None,
                bundle,
                versions,
            };
        }
        let (name, namespace) = (text(service, "name"), text(service, "namespace"));
        let path = text(service, "path");
        let path = path.trim_start_matches('/');
        let port = service
            .and_then(|service| service.get("port")?.as_u64())
            .unwrap_or(443);
        Self {
            url: format!("https://{name}.{namespace}.svc:{port}/{path}"),
            proxied: Some(format!(
                "/api/v1/namespaces/{namespace}/services/https:{name}:{port}/proxy/{path}"
            )),
            bundle,
            versions,
        }
    }

    /// A review of no objects.
    fn review(&self, spec: &Value) -> Value {
        let versions = self.versions.as_array();
        let knows_v1 =
            versions.is_none_or(|versions| versions.iter().any(|version| version == "v1"));
        let group = spec
            .get("group")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let all = spec.get("versions").and_then(Value::as_array);
        let mut all = all.into_iter().flatten();
        let stored = all.find(|version| version.get("storage") == Some(&Value::Bool(true)));
        let version = stored.and_then(|version| version.get("name")?.as_str());
        json!({
            "apiVersion": if knows_v1 { "apiextensions.k8s.io/v1" } else { "apiextensions.k8s.io/v1beta1" },
            "kind": "ConversionReview",
            "request": {
                "uid": "fusegate",
                "desiredAPIVersion": format!("{group}/{}", version.unwrap_or_default()),
                "objects": [],
            },
        })
    }

    async fn ask(&self, review: &[u8]) -> Result<(), String> {
        let uri: Uri = self
            .url
            .parse()
            .map_err(|error| format!("{}: {error}", self.url))?;
        let path = uri
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .to_owned();
        let mut parts = uri.into_parts();
        parts.path_and_query = Some("/".parse().map_err(|error| format!("{error}"))?);
        let root = Uri::from_parts(parts).map_err(|error| error.to_string())?;
        let mut config = Config::new(root);
        let certificates = certificates(&self.bundle);
        config.root_cert = (!certificates.is_empty()).then_some(certificates);
        let client = Client::try_from(config).map_err(|error| error.to_string())?;
        send(&client, &path, review).await
    }
}

async fn send(client: &Client, path: &str, review: &[u8]) -> Result<(), String> {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .body(review.to_vec())
        .map_err(|error| error.to_string())?;
    match timeout(ANSWERS_WITHIN, client.request_text(request)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(Error::Api(status))) => Err(format!("it answers {}", status.code)),
        Ok(Err(error)) => Err(brief(&told(&error))),
        Err(_) => Err(format!("no answer within {ANSWERS_WITHIN:?}")),
    }
}

/// An error and its causes.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let texts: Vec<_> = causes.map(ToString::to_string).collect();
    texts.join(": ")
}

/// The certificates of a bundle in PEM, in DER.
fn certificates(bundle: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(bundle);
    let parts = text.split("-----BEGIN CERTIFICATE-----").skip(1);
    let encoded = parts.filter_map(|part| part.split_once("-----END CERTIFICATE-----"));
    let lines = encoded.map(|(encoded, _)| encoded.split_whitespace().collect::<String>());
    lines
        .filter_map(|text| STANDARD.decode(text).ok())
        .collect()
}
