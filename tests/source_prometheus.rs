//! The Prometheus source against a real one that asks for a certificate and a password, both of which change.

use std::{fs, sync::Arc};

use anyhow::{Result, bail, ensure};
use fusegate::{
    runtime::{clock::Clock, metrics::Metrics, server_url::ServerUrl},
    source::{
        prometheus::PrometheusSource,
        queue::{self, Limits, Receiver},
    },
    wire::{
        event::Event,
        query::{Answer, Query, QueryName},
    },
};
use fusegate_crds::{ObjectLabels, PrometheusQuery};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::support::{
    scratch::Scratch,
    servers::{
        authority::Authority,
        prometheus::{Prometheus, PrometheusConfig},
    },
};

/// What Prometheus keeps of the password `test`, as its guide to basic authentication has it.
const HASH: &str = "$2b$12$hNf2lSsxfm0.i4a.1kVpSOVyBCfIB51VRjgBUyv6kdnyTlgWj81Ay";

const OPTIONS: &str = "
basic_auth: {username: fusegate, password_file: password}
tls_config: {ca_file: ca.crt, cert_file: client.crt, key_file: client.key}
";

/// A value for one object, asked for every second.
fn query() -> Query {
    let object = ObjectLabels {
        namespace: None,
        name: "app".to_owned(),
    };
    Query {
        name: QueryName {
            contract: "services".into(),
            key: "error-rate".into(),
        },
        spec: Arc::new(PrometheusQuery {
            query: r#"label_replace(vector(0.5), "app", "front", "", "")"#.to_owned(),
            object,
            interval: "1s".into(),
            max_age: "5s".into(),
        }),
        interval: 1_000,
        max_age: 5_000,
    }
}

struct Asking {
    events: Receiver,
    stop: CancellationToken,
    _wanted: watch::Sender<Arc<[Query]>>,
}

impl Asking {
    fn start(url: &str, folder: &Scratch) -> Result<Self> {
        let url: ServerUrl = url.parse()?;
        let url = url.with_options_in(Some(folder.path().join("http.yaml")));
        let source = PrometheusSource::new(vec![url], Clock::start(), Metrics::new())?;
        let limits = Limits {
            events: 1,
            bytes: 1 << 20,
        };
        let (sender, events) = queue::open(limits, Metrics::new());
        let (wanted, queries) = watch::channel(Arc::from([]));
        let stop = CancellationToken::new();
        tokio::spawn(source.run(queries, sender, stop.clone()));
        wanted.send_replace([query()].into());
        Ok(Self {
            events,
            stop,
            _wanted: wanted,
        })
    }

    /// The next answer that is as it should be. Those to what was asked before a change may come first.
    async fn until(&mut self, is: impl Fn(&Answer) -> bool) -> Result<()> {
        let mut last = None;
        for _ in 0..30 {
            match self.events.recv().await {
                Some(Event::Answer(answer)) if is(&answer) => return Ok(()),
                other => last = other,
            }
        }
        bail!("{last:?}")
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn answered(answer: &Answer) -> bool {
    let series = answer.result.as_ref().map(|answered| &answered.series[..]);
    matches!(series, Ok([series]) if &*series.name == "front" && format!("{}", series.value) == "0.5")
}

fn failed(answer: &Answer, why: &str) -> bool {
    let failure = answer.result.as_ref().err();
    failure.is_some_and(|failure| failure.message.contains(why))
}

#[tokio::test]
async fn certificates_and_passwords_are_used_as_they_are_in_the_files_now() -> Result<()> {
    let folder = Scratch::new("prometheus-client")?;
    let (authority, stranger) = (Authority::new()?, Authority::new()?);
    let server = authority.for_host("localhost")?;
    let files = [
        ("server.crt", server.certificate),
        ("server.key", server.key),
        ("ca.crt", authority.pem().to_owned()),
        ("password", "test\n".to_owned()),
        ("http.yaml", OPTIONS.to_owned()),
    ];
    for (name, text) in files {
        folder.write(name, text)?;
    }
    let certify = |authority: &Authority| -> Result<()> {
        let client = authority.for_host("fusegate")?;
        folder.write("client.crt", client.certificate)?;
        folder.write("client.key", client.key)?;
        Ok(())
    };
    certify(&authority)?;
    let file = |name: &str| folder.path().join(name).display().to_string();
    let prometheus = Prometheus::start(PrometheusConfig {
        web: Some(format!(
            "tls_server_config: {{cert_file: {}, key_file: {}, client_ca_file: {}, client_auth_type: RequireAndVerifyClientCert}}\n\
             basic_auth_users: {{fusegate: {HASH}}}\n",
            file("server.crt"),
            file("server.key"),
            file("ca.crt"),
        )),
        ..PrometheusConfig::default()
    })
    .await?;
    let url = prometheus
        .url()
        .replace("http://127.0.0.1", "https://localhost");
    let mut asking = Asking::start(&url, &folder)?;
    asking.until(answered).await?;

    folder.write("password", "wrong")?;
    asking
        .until(|answer| failed(answer, "401 Unauthorized"))
        .await?;
    folder.write("password", "test")?;
    asking.until(answered).await?;

    // Of an authority that Prometheus does not know.
    certify(&stranger)?;
    asking.until(|answer| answer.result.is_err()).await?;
    certify(&authority)?;
    asking.until(answered).await?;

    fs::remove_file(folder.path().join("client.key"))?;
    asking
        .until(|answer| failed(answer, "client.key: can't be read"))
        .await?;
    certify(&authority)?;
    asking.until(answered).await?;
    drop(asking);

    // A server that the authority did not vouch for is told nothing.
    folder.write("ca.crt", stranger.pem())?;
    let mut asking = Asking::start(&url, &folder)?;
    asking.until(|answer| failed(answer, "certificate")).await?;
    ensure!(!prometheus.log()?.contains("panic"));
    Ok(())
}
