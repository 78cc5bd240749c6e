//! A Kubernetes API server with its etcd: the real thing, without controllers.
//!
//! So nothing deletes a namespace's content, collects garbage or runs a pod here;
//! objects, their watches, schemas, webhooks, Leases and access rules are as in any cluster.
//! Starting one takes about ten seconds and 330 MB, so tests share one and each works in a namespace
//! and with an API group of its own.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use axum::http::Request;
use k8s_openapi::{
    api::core::v1::Namespace,
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client, Config, ResourceExt as _,
    api::PostParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::{sync::OnceCell, time::timeout};

use super::super::{http, scratch::Scratch, wait::eventually};
use super::{
    assets, ports,
    process::{Process, Program},
};

/// Generous, since on two busy cores several servers start at once.
const READY_WITHIN: Duration = Duration::from_mins(2);
/// A token of this server only, which listens on the loopback address only.
pub(crate) const TOKEN: &str = "admin-token";
/// The token of fusegate's service account, which may do what it is granted and nothing else.
pub(crate) const SERVICE_TOKEN: &str = "service-token";

/// A running API server; dropping it ends it and its etcd.
#[derive(Debug)]
pub(crate) struct ApiServer {
    server: Process,
    etcd: Process,
    program: Program,
    etcd_program: Program,
    etcd_port: u16,
    port: u16,
    kubeconfig: PathBuf,
    scratch: Scratch,
}

impl ApiServer {
    /// A server of one's own, for tests that stop it, pause it or need it empty.
    pub(crate) async fn start() -> Result<Self> {
        ports::retrying(async || Self::try_start("ServiceAccount").await).await
    }

    /// A server of one's own that stores admission policies and does not enforce them.
    pub(crate) async fn start_without_policies() -> Result<Self> {
        ports::retrying(async || Self::try_start("ServiceAccount,ValidatingAdmissionPolicy").await)
            .await
    }

    /// The server that the tests of this process share, started by whoever asks first.
    pub(crate) async fn shared() -> Result<&'static Self> {
        static SHARED: OnceCell<ApiServer> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::start).await
    }

    async fn try_start(disabled: &str) -> Result<Self> {
        let scratch = Scratch::new("apiserver")?;
        let (etcd_port, peer_port, port) = (ports::free()?, ports::free()?, ports::free()?);
        let kubeconfig = write_credentials(&scratch, port)?;
        let etcd_program = etcd_program(&scratch, etcd_port, peer_port)?;
        let etcd = start_etcd(&etcd_program, etcd_port).await?;
        let program = program(&scratch, port, etcd_port, disabled)?;
        let mut server = Process::start(&program)?;
        wait_ready(&mut server, &kubeconfig).await?;
        Ok(Self {
            server,
            etcd,
            program,
            etcd_program,
            etcd_port,
            port,
            kubeconfig,
            scratch,
        })
    }

    /// A kubeconfig file with the rights of a cluster administrator.
    pub(crate) fn kubeconfig_path(&self) -> &Path {
        &self.kubeconfig
    }

    /// The processor time that the API server and etcd have taken.
    pub(crate) fn processor(&self) -> Result<[Duration; 2]> {
        Ok([self.server.processor()?, self.etcd.processor()?])
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", ports::loopback(self.port))
    }

    /// The folder with its data, logs, certificate (`tls.crt`) and key (`tls.key`).
    pub(crate) fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// A new client with the rights of a cluster administrator.
    ///
    /// Each call makes one, because a client belongs to the runtime that it was made in, and every test has its own.
    pub(crate) async fn client(&self) -> Result<Client> {
        client(&self.kubeconfig).await
    }

    /// Makes a namespace that no other test has, and returns its name.
    pub(crate) async fn namespace(&self, prefix: &str) -> Result<String> {
        let name = unique(prefix);
        let mut namespace = Namespace::default();
        namespace.metadata.name = Some(name.clone());
        Api::all(self.client().await?)
            .create(&PostParams::default(), &namespace)
            .await
            .with_context(|| format!("create namespace {name}"))?;
        Ok(name)
    }

    /// Creates a CRD, unless it is there, and waits until the server serves its kinds.
    pub(crate) async fn establish(&self, crd: &CustomResourceDefinition) -> Result<()> {
        let client = self.client().await?;
        let name = crd.name_any();
        let crds = Api::all(client.clone());
        match crds.create(&PostParams::default(), crd).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => {}
            created => drop(created.with_context(|| format!("create CRD {name}"))?),
        }
        // Its condition says so a little before its lists are answered.
        let what = format!("the kinds of CRD {name} to be served");
        eventually(&what, READY_WITHIN, async || {
            for version in crd.spec.versions.iter().filter(|version| version.served) {
                let (group, plural) = (&crd.spec.group, &crd.spec.names.plural);
                let path = format!("/apis/{group}/{}/{plural}", version.name);
                let request = Request::get(path).body(Vec::new())?;
                client.request_text(request).await?;
            }
            Ok(())
        })
        .await
    }

    /// Freezes etcd: the API server runs on, but every request that needs the store hangs.
    pub(crate) async fn pause_etcd(&mut self) -> Result<()> {
        self.etcd.freeze().await
    }

    /// Lets a frozen etcd go on where it was.
    pub(crate) fn resume_etcd(&mut self) -> Result<()> {
        self.etcd.thaw()
    }

    /// Kills etcd, if it runs, and starts it again on the same data.
    pub(crate) async fn restart_etcd(&mut self) -> Result<()> {
        self.etcd.kill()?;
        self.etcd = start_etcd(&self.etcd_program, self.etcd_port).await?;
        Ok(())
    }

    /// The process of etcd, to be put in trouble.
    pub(crate) fn etcd_process(&mut self) -> &mut Process {
        &mut self.etcd
    }

    /// Its process, to be put in trouble.
    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.server
    }

    /// Has etcd forget its history up to now, as it does every five minutes where a cluster is not a test's.
    pub(crate) async fn compact(&self) -> Result<()> {
        let found = self.etcd("range", &json!({"key": "AA=="})).await?;
        let revision = found["header"]["revision"].clone();
        let all = json!({"revision": revision, "physical": true});
        self.etcd("compaction", &all).await?;
        Ok(())
    }

    /// What etcd itself answers to a request of its key-value API.
    pub(crate) async fn etcd(&self, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}/v3/kv/{path}", etcd_url(self.etcd_port));
        let answer = http::client()?.post(url).json(body).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// Freezes the API server: connections stay, and nothing comes through them.
    pub(crate) async fn pause_apiserver(&mut self) -> Result<()> {
        self.server.freeze().await
    }

    /// Lets a frozen API server go on where it was.
    pub(crate) fn resume_apiserver(&mut self) -> Result<()> {
        self.server.thaw()
    }

    /// Kills the API server: its connections break, and its port refuses new ones.
    pub(crate) fn stop_apiserver(&mut self) -> Result<()> {
        self.server.kill()
    }

    /// Starts the API server again, on the same port and data, and waits until it is ready.
    pub(crate) async fn start_apiserver(&mut self) -> Result<()> {
        self.server = Process::start(&self.program)?;
        wait_ready(&mut self.server, &self.kubeconfig).await
    }
}

/// A name that no other test of this machine has, fit for namespaces and API groups.
pub(crate) fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}-{}-{number}", process::id())
}

fn etcd_program(scratch: &Scratch, port: u16, peer_port: u16) -> Result<Program> {
    let url = etcd_url(port);
    let peer_url = etcd_url(peer_port);
    let flags = BTreeMap::from([
        (
            "data-dir",
            scratch.path().join("etcd").display().to_string(),
        ),
        ("listen-client-urls", url.clone()),
        ("advertise-client-urls", url.clone()),
        ("listen-peer-urls", peer_url.clone()),
        ("initial-advertise-peer-urls", peer_url.clone()),
        ("initial-cluster", format!("default={peer_url}")),
        ("unsafe-no-fsync", "true".to_owned()),
    ]);
    Ok(Program {
        name: "etcd",
        path: assets::program("etcd")?,
        args: to_args(flags),
        env: Vec::new(),
        log: scratch.path().join("etcd.log"),
    })
}

async fn start_etcd(program: &Program, port: u16) -> Result<Process> {
    let mut etcd = Process::start(program)?;
    let health = format!("{}/health", etcd_url(port));
    let http = http::client()?;
    etcd.ready(READY_WITHIN, async || {
        http.get(&health).send().await?.error_for_status()?;
        Ok(())
    })
    .await?;
    Ok(etcd)
}

fn etcd_url(port: u16) -> String {
    format!("http://{}", ports::loopback(port))
}

fn program(scratch: &Scratch, port: u16, etcd_port: u16, disabled: &str) -> Result<Program> {
    let file = |name: &str| scratch.path().join(name).display().to_string();
    let flags = BTreeMap::from([
        ("etcd-servers", etcd_url(etcd_port)),
        ("bind-address", "127.0.0.1".to_owned()),
        ("advertise-address", "127.0.0.1".to_owned()),
        // The others refuse to tell pods of a loopback address.
        ("endpoint-reconciler-type", "none".to_owned()),
        ("secure-port", port.to_string()),
        ("tls-cert-file", file("tls.crt")),
        ("tls-private-key-file", file("tls.key")),
        ("cert-dir", file("certs")),
        (
            "service-account-issuer",
            "https://kubernetes.default.svc".to_owned(),
        ),
        ("service-account-key-file", file("tls.pub")),
        ("service-account-signing-key-file", file("tls.key")),
        ("token-auth-file", file("tokens.csv")),
        ("authorization-mode", "RBAC".to_owned()),
        // Each test in a whole cluster takes addresses of its own, and a /24 has 254.
        ("service-cluster-ip-range", "10.0.0.0/16".to_owned()),
        // Without its controller no service account would ever get a token.
        ("disable-admission-plugins", disabled.to_owned()),
    ]);
    Ok(Program {
        name: "kube-apiserver",
        path: assets::program("kube-apiserver")?,
        args: to_args(flags),
        env: Vec::new(),
        log: scratch.path().join("apiserver.log"),
    })
}

/// Flags in the form that Kubernetes programs read.
pub(crate) fn to_args(flags: BTreeMap<&str, String>) -> Vec<String> {
    flags
        .into_iter()
        .map(|(flag, value)| format!("--{flag}={value}"))
        .collect()
}

/// Writes certificate, keys, token and kubeconfig, and returns the path of the last.
fn write_credentials(scratch: &Scratch, port: u16) -> Result<PathBuf> {
    let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
    let certified = rcgen::generate_simple_self_signed(names)?;
    let certificate = scratch.write("tls.crt", certified.cert.pem())?;
    scratch.write("tls.key", certified.signing_key.serialize_pem())?;
    scratch.write("tls.pub", certified.signing_key.public_key_pem())?;
    scratch.write(
        "tokens.csv",
        format!(
            "{TOKEN},admin,admin,system:masters\n\
             {SERVICE_TOKEN},system:serviceaccount:fusegate-system:fusegate,fusegate,system:serviceaccounts\n"
        ),
    )?;
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {
            "server": format!("https://{}", ports::loopback(port)),
            "certificate-authority": certificate,
        }}],
        "users": [{"name": "admin", "user": {"token": TOKEN}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        "current-context": "test",
    });
    scratch.write("kubeconfig", kubeconfig.to_string())
}

async fn client(kubeconfig: &Path) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let mut config =
        Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    // A proxy of the environment does not know our loopback address.
    config.proxy_url = None;
    Ok(Client::try_from(config)?)
}

async fn wait_ready(server: &mut Process, kubeconfig: &Path) -> Result<()> {
    let client = client(kubeconfig).await?;
    server
        .ready(READY_WITHIN, async || {
            let request = Request::get("/readyz").body(Vec::new())?;
            // The client would go on trying for long, and the next probe does so anyway.
            timeout(Duration::from_secs(2), client.request_text(request)).await??;
            Ok(())
        })
        .await
}
