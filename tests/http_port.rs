//! The HTTP port of the real program over TLS: who is let in by which certificate, and certificates replaced under load.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use reqwest::Client;
use serde_json::{Value, json};

use crate::support::{
    fusegate::{Fusegate, FusegateConfig, program},
    http::client_with,
    scratch::Scratch,
    servers::{
        authority::{Authority, Issued},
        browser::Browser,
        prometheus::{Prometheus, PrometheusConfig},
    },
    wait::eventually,
};

const SOON: Duration = Duration::from_mins(1);

const HOST: &str = "localhost";
const PROMETHEUS: &str = "prometheus.monitoring.svc";
const PIPELINE: &str = "spiffe://example.com/ns/ci/sa/pipeline";
const TOKEN: &str = "a-token-of-the-test-0123456789";

/// A fusegate whose HTTP port speaks TLS, and everything that it was given.
struct Port {
    servers: Authority,
    clients: Authority,
    files: Scratch,
    fusegate: Fusegate,
    _shop: Scratch,
}

impl Port {
    /// Metrics are for Prometheus's certificate, and gates for a token or a pipeline's; the page is for everybody.
    async fn open() -> Result<Self> {
        let (servers, clients) = (Authority::new()?, Authority::new()?);
        let files = Scratch::new("https")?;
        files.write("clients.pem", clients.pem())?;
        files.write("servers.pem", servers.pem())?;
        write(&files, &servers.for_host(HOST)?)?;
        let tokens = files.path().join("tokens");
        fs::create_dir(&tokens)?;
        fs::write(tokens.join("metrics.names"), format!("{PROMETHEUS}\n"))?;
        fs::write(tokens.join("gate"), format!("{TOKEN}\n"))?;
        fs::write(tokens.join("gate.names"), format!("{PIPELINE}\n"))?;
        let shop = shop()?;
        let path = |name: &str| files.path().join(name).display().to_string();
        let mut config = FusegateConfig::args([
            format!("--source=dir:{}", shop.path().display()),
            "--audit=/dev/null".to_owned(),
            format!("--http-tls-cert={}", path("tls.crt")),
            format!("--http-tls-key={}", path("tls.key")),
            format!("--http-tls-client-ca={}", path("clients.pem")),
            format!("--http-tokens={}", path("tokens")),
        ]);
        config.authority = Some(servers.pem().to_owned());
        Ok(Self {
            fusegate: Fusegate::start(config).await?,
            servers,
            clients,
            files,
            _shop: shop,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    /// What a path answers to whoever shows this certificate, or none.
    async fn ask(&self, own: Option<&Issued>, path: &str) -> Result<(u16, String)> {
        let own = own.map(|own| [own.certificate.as_str(), own.key.as_str()]);
        let client = client_with(self.servers.pem(), own)?;
        self.ask_by(&client, path).await
    }

    async fn ask_by(&self, client: &Client, path: &str) -> Result<(u16, String)> {
        let answer = client.get(self.fusegate.url(path)).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// One of our own commands, asked of this port with more options; what they begin with `@` are files here.
    fn command(&self, line: &str) -> Result<Output> {
        let url = self.fusegate.url("");
        let words = line
            .split_whitespace()
            .map(|word| match word.strip_prefix('@') {
                Some(name) => self.path(name).display().to_string(),
                None => word.to_owned(),
            });
        let mut command = Command::new(program()?);
        command.args(words).args(["--server", &url]);
        Ok(command.output()?)
    }

    /// The value of a series, as Prometheus sees it.
    async fn metric(&self, series: &str) -> Result<f64> {
        let prometheus = self.clients.for_host(PROMETHEUS)?;
        let (_, metrics) = self.ask(Some(&prometheus), "metrics").await?;
        let mut lines = metrics.lines();
        let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(value.with_context(|| format!("no {series}"))?.parse()?)
    }
}

fn write(files: &Scratch, issued: &Issued) -> Result<()> {
    files.write("tls.crt", &issued.certificate)?;
    files.write("tls.key", &issued.key)?;
    Ok(())
}

/// The examples' kind with a policy and an object that is well.
fn shop() -> Result<Scratch> {
    let folder = Scratch::new("https-shop")?;
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples");
    for name in ["crd", "contract", "policy", "storefront"] {
        let file = format!("{name}.yaml");
        folder.write(&file, fs::read_to_string(examples.join(&file))?)?;
    }
    Ok(folder)
}

#[tokio::test]
async fn a_certificate_opens_what_its_name_is_granted_and_health_needs_none() -> Result<()> {
    let port = Port::open().await?;
    for path in ["healthz", "readyz", "v1/circuits"] {
        let (status, body) = port.ask(None, path).await?;
        ensure!(status == 200, "{path}: {status} {body}");
    }
    let (status, body) = port.ask(None, "metrics").await?;
    ensure!(status == 401 && body.contains("none was shown"), "{body}");
    let prometheus = port.clients.for_host(PROMETHEUS)?;
    let pipeline = port.clients.for_uri(PIPELINE)?;
    let gate = "v1/gate/shop/checkout";
    for (own, path, expected) in [
        (&prometheus, "metrics", 200),
        (&prometheus, gate, 401),
        (&pipeline, "metrics", 401),
        (&pipeline, gate, 200),
    ] {
        let (status, body) = port.ask(Some(own), path).await?;
        ensure!(status == expected, "{path}: {status} {body}");
        let named = body.contains(PROMETHEUS) || body.contains(PIPELINE);
        ensure!(status != 401 || named, "it is told who it is: {body}");
    }
    let client = client_with(port.servers.pem(), None)?;
    let answer = client.get(port.fusegate.url(gate)).bearer_auth(TOKEN);
    let answer = answer.send().await?;
    ensure!(answer.status() == 200, "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn whoever_shows_a_certificate_that_is_not_good_is_not_talked_to() -> Result<()> {
    let port = Port::open().await?;
    let strangers = Authority::new()?;
    for (own, why) in [
        (strangers.for_host(PROMETHEUS)?, "badsignature"),
        (port.clients.expired(PROMETHEUS)?, "expired"),
    ] {
        let answered = port.ask(Some(&own), "metrics").await;
        ensure!(answered.is_err(), "{answered:?}");
        // The client is told why only where it reads that before it finds the connection gone.
        eventually("the log to say why", SOON, async || {
            let log = port.fusegate.log()?.to_lowercase();
            ensure!(
                log.contains("failed the tls handshake") && log.contains(why),
                "{log}"
            );
            Ok(())
        })
        .await?;
    }
    // A client that does not know the server's authority, and one that does not know of TLS.
    let client = client_with(strangers.pem(), None)?;
    let told = format!("{:?}", port.ask_by(&client, "healthz").await.err());
    ensure!(told.contains("invalid peer certificate"), "{told}");
    let plain = port.fusegate.url("healthz").replace("https", "http");
    ensure!(client.get(plain).send().await.is_err());
    let (status, _) = port.ask(None, "healthz").await?;
    ensure!(status == 200);
    Ok(())
}

#[tokio::test]
async fn a_real_prometheus_scrapes_with_its_certificate() -> Result<()> {
    let port = Port::open().await?;
    let own = port.clients.for_host(PROMETHEUS)?;
    let cert = port.files.write("own.crt", &own.certificate)?;
    let key = port.files.write("own.key", &own.key)?;
    let scrape = |more: Value| {
        let mut tls = json!({"ca_file": port.path("servers.pem"), "server_name": HOST});
        for (name, value) in more.as_object().into_iter().flatten() {
            tls[name] = value.clone();
        }
        PrometheusConfig {
            targets: vec![port.fusegate.http()],
            scrape: json!({"scheme": "https", "tls_config": tls}),
            ..PrometheusConfig::default()
        }
    };
    for (more, up) in [
        (json!({}), 0.0),
        (json!({"cert_file": cert, "key_file": key}), 1.0),
    ] {
        let prometheus = Prometheus::start(scrape(more)).await?;
        eventually(&format!("up to be {up}"), SOON, async || {
            let found = prometheus.value("up").await?;
            ensure!(found == Some(up), "{found:?}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn commands_ask_over_tls_and_say_what_to_give_where_they_can_not() -> Result<()> {
    let port = Port::open().await?;
    let own = port.clients.for_uri(PIPELINE)?;
    port.files.write("own.crt", &own.certificate)?;
    port.files.write("own.key", &own.key)?;
    port.files.write("token", TOKEN)?;
    let certificate = "--client-cert @own.crt --client-key @own.key";
    for (line, code, said) in [
        ("status --server-ca @servers.pem", 0, "1 circuit: 1 Closed"),
        (
            "gate shop/checkout --server-ca @servers.pem --token-file @token",
            0,
            "pass: ",
        ),
        (
            "gate shop/checkout --server-ca @servers.pem",
            1,
            "gate.names",
        ),
        (
            "gate shop/checkout --server-ca @clients.pem",
            1,
            "--server-ca",
        ),
        ("status --server-ca @none.pem", 1, "none.pem: can't be read"),
        (
            "doctor --over 0s --server-ca @servers.pem",
            1,
            "metrics.names",
        ),
    ] {
        let output = port.command(line)?;
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8_lossy(&told).into_owned();
        ensure!(
            output.status.code() == Some(code) && told.contains(said),
            "{line}: {told}"
        );
    }
    let line = format!("gate shop/checkout --server-ca @servers.pem {certificate}");
    let output = port.command(&line)?;
    ensure!(output.status.success(), "{output:?}");
    Ok(())
}

#[tokio::test]
async fn the_page_is_shown_over_tls_in_chromium() -> Result<()> {
    let port = Port::open().await?;
    let browser = Browser::start().await?;
    browser.open(&port.fusegate.url("#/circuits")).await?;
    eventually("the circuit to be listed", SOON, async || {
        let text = browser.text().await?;
        ensure!(text.contains("shop/checkout"), "{text}");
        Ok(())
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn certificates_are_replaced_under_load_without_one_failed_request() -> Result<()> {
    let port = Port::open().await?;
    let client = client_with(port.servers.pem(), None)?;
    let loaded = "fusegate_http_tls_reloads_total{result=\"Loaded\"}";
    let stale = "fusegate_http_tls_stale";
    let mut asked = 0;
    let replacing = async {
        for replaced in 1..=3 {
            write(&port.files, &port.servers.for_host(HOST)?)?;
            eventually("the certificate to be replaced", SOON, async || {
                let count = port.metric(loaded).await?;
                ensure!(count >= f64::from(replaced), "{count}");
                Ok(())
            })
            .await?;
        }
        port.files.write("tls.key", "no key")?;
        eventually("the key to be refused", SOON, async || {
            ensure!(port.metric(stale).await? >= 1.0);
            Ok(())
        })
        .await
    };
    let asking = async {
        loop {
            let asking = (0..4).map(|_| port.ask_by(&client, "v1/circuits"));
            for answer in futures::future::join_all(asking).await {
                let (status, body) = answer.with_context(|| format!("after {asked}"))?;
                ensure!(status == 200, "{status} {body}");
                asked += 1;
            }
        }
    };
    tokio::select! {
        replaced = replacing => replaced?,
        failed = asking => { let failed: Result<()> = failed; failed?; }
    }
    ensure!(asked > 100, "{asked}");
    ensure!(
        port.metric("fusegate_http_tls_expiration_timestamp_seconds")
            .await?
            > 0.0
    );
    // Whoever trusts another authority only is served once the certificate is of that.
    let others = Authority::new()?;
    write(&port.files, &others.for_host(HOST)?)?;
    let client = client_with(others.pem(), None)?;
    eventually("the other authority's certificate", SOON, async || {
        let (status, _) = port.ask_by(&client, "healthz").await?;
        ensure!(status == 200, "{status}");
        Ok(())
    })
    .await
}

#[test]
fn what_can_not_be_served_is_refused_at_the_start_with_what_to_do() -> Result<()> {
    let shop = shop()?;
    let files = Scratch::new("https-none")?;
    files.write("metrics.names", PROMETHEUS)?;
    let run = |more: &[String]| {
        let source = format!("--source=dir:{}", shop.path().display());
        let output = Command::new(program()?)
            .args(["run", &source])
            .args(more)
            .output()?;
        ensure!(!output.status.success());
        anyhow::Ok(String::from_utf8(output.stderr)?)
    };
    let listen = [
        "--http-listen=127.0.0.1:0".to_owned(),
        "--xds-listen=127.0.0.1:0".to_owned(),
    ];
    let with = |more: &[&str]| {
        let more = more.iter().map(|more| (*more).to_owned());
        run(&listen.iter().cloned().chain(more).collect::<Vec<_>>())
    };
    let told = with(&["--http-tls-cert=/none.crt", "--http-tls-key=/none.key"])?;
    ensure!(told.contains("reading --http-tls-cert /none.crt"), "{told}");
    let told = with(&["--http-tls-client-ca=/ca.crt"])?;
    ensure!(told.contains("--http-tls-cert"), "{told}");
    let told = with(&[&format!("--http-tokens={}", files.path().display())])?;
    ensure!(told.contains("give --http-tls-client-ca as well"), "{told}");
    Ok(())
}
