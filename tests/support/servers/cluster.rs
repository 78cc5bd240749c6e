//! A whole cluster without containers: beside the API server run the controllers, the scheduler, and kwok as its only node.
//!
//! So a Deployment gets its pods, and they get Ready, but nothing runs in them; garbage is collected.
//! There is no service network and no DNS: what a pod would do is done by a process on the loopback address.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::{
    api::{coordination::v1::Lease, core::v1::Node},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{Api, Client, api::PostParams};
use serde_json::json;

use super::{
    apiserver::{ApiServer, to_args},
    assets,
    process::{Process, Program},
};

const READY_WITHIN: Duration = Duration::from_mins(2);
const NODE: &str = "node";

/// A running cluster; dropping it ends all of it.
#[derive(Debug)]
pub(crate) struct Cluster {
    // In this order, so that nothing outlives what it talks to.
    _kwok: Process,
    _scheduler: Process,
    _controllers: Process,
    api: ApiServer,
}

impl Cluster {
    /// Starts one, and waits until it schedules pods and runs its controllers.
    pub(crate) async fn start() -> Result<Self> {
        let api = ApiServer::start().await?;
        let client = api.client().await?;
        let nodes = Api::<Node>::all(client.clone());
        nodes.create(&PostParams::default(), &node()?).await?;
        let mut controllers = start(&api, controllers(&api))?;
        let mut scheduler = start(&api, scheduler())?;
        let mut kwok = start(&api, kwok())?;
        for leader in [&mut controllers, &mut scheduler] {
            wait_leading(leader, &client).await?;
        }
        kwok.ready(READY_WITHIN, async || node_is_ready(&nodes).await)
            .await?;
        Ok(Self {
            _kwok: kwok,
            _scheduler: scheduler,
            _controllers: controllers,
            api,
        })
    }

    /// Its API server, for clients, namespaces and CRDs.
    pub(crate) fn api(&self) -> &ApiServer {
        &self.api
    }

    /// Installs the CRDs that somebody else's controller comes with, and starts it with these flags and `--kubeconfig`.
    pub(crate) async fn run(&self, name: &'static str, flags: &[(&str, &str)]) -> Result<Process> {
        self.run_trusting(name, flags, None).await
    }

    /// The same, which trusts the authorities in a file beyond the API server's.
    pub(crate) async fn run_trusting(
        &self,
        name: &'static str,
        flags: &[(&str, &str)],
        authorities: Option<&Path>,
    ) -> Result<Process> {
        for crd in crds(name)? {
            self.api.establish(&crd).await?;
        }
        let flags = flags.iter();
        let flags = flags.map(|(flag, value)| (*flag, (*value).to_owned()));
        let mut program = program(&self.api, (name, flags.collect()))?;
        let authorities = authorities.map(|path| path.display().to_string());
        // Where programs in Go find the authorities of a system.
        let variable = authorities.map(|path| ("SSL_CERT_FILE".to_owned(), path));
        program.env.extend(variable);
        Process::start(&program)
    }
}

/// A program's name, and its flags beside `--kubeconfig`.
type Wanted<'a> = (&'static str, BTreeMap<&'a str, String>);

fn start(api: &ApiServer, wanted: Wanted<'_>) -> Result<Process> {
    Process::start(&program(api, wanted)?)
}

fn program(api: &ApiServer, (name, mut flags): Wanted<'_>) -> Result<Program> {
    let kubeconfig = api.kubeconfig_path().display().to_string();
    flags.insert("kubeconfig", kubeconfig);
    Ok(Program {
        name,
        path: assets::program(name)?,
        args: to_args(flags),
        env: Vec::new(),
        log: api.folder().join(format!("{name}.log")),
    })
}

fn controllers(api: &ApiServer) -> Wanted<'static> {
    let file = |name: &str| Path::display(&api.folder().join(name)).to_string();
    let flags = BTreeMap::from([
        ("service-account-private-key-file", file("tls.key")),
        ("root-ca-file", file("tls.crt")),
        ("secure-port", "0".to_owned()),
    ]);
    ("kube-controller-manager", flags)
}

fn scheduler() -> Wanted<'static> {
    let flags = BTreeMap::from([("secure-port", "0".to_owned())]);
    ("kube-scheduler", flags)
}

fn kwok() -> Wanted<'static> {
    let flags = BTreeMap::from([
        ("manage-all-nodes", "true".to_owned()),
        // Without a lease of its own a node looks dead to the controllers after 50 seconds.
        ("node-lease-duration-seconds", "40".to_owned()),
    ]);
    ("kwok", flags)
}

/// A node on which any number of small pods has room.
fn node() -> Result<Node> {
    let room = json!({"cpu": "100", "memory": "1Ti", "pods": "1000"});
    Ok(serde_json::from_value(json!({
        "metadata": {"name": NODE},
        "status": {"capacity": room, "allocatable": room},
    }))?)
}

async fn node_is_ready(nodes: &Api<Node>) -> Result<()> {
    let status = nodes.get_status(NODE).await?.status;
    let conditions = status.and_then(|status| status.conditions);
    let ready = conditions
        .iter()
        .flatten()
        .any(|each| each.type_ == "Ready" && each.status == "True");
    ensure!(ready, "{conditions:?}");
    Ok(())
}

/// Waits until a program has the lease that it works under.
async fn wait_leading(process: &mut Process, client: &Client) -> Result<()> {
    let leases = Api::<Lease>::namespaced(client.clone(), "kube-system");
    let name = process.name();
    process
        .ready(READY_WITHIN, async || {
            let spec = leases.get(name).await?.spec;
            let holder = spec.and_then(|spec| spec.holder_identity);
            holder
                .filter(|holder| !holder.is_empty())
                .context("no holder")
        })
        .await?;
    Ok(())
}

/// The CRDs that a controller comes with.
fn crds(name: &str) -> Result<Vec<CustomResourceDefinition>> {
    let program = assets::program(name)?.canonicalize()?;
    let folder = program.with_file_name("crds");
    let files = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut crds = Vec::new();
    for file in files {
        let documents = fs::read_to_string(file?.path())?;
        crds.extend(serde_saphyr::from_multiple::<CustomResourceDefinition>(
            &documents,
        )?);
    }
    Ok(crds)
}
