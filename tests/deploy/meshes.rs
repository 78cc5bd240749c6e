//! The bootstraps: our own, and those of meshes with what is merged into them, each loaded by a real Envoy, which then sheds.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use rstest::rstest;
use serde_json::{Value, json};

use super::{documents, read};
use crate::support::fusegate::{Fusegate, FusegateConfig};
use crate::support::http;
use crate::support::scratch::Scratch;
use crate::support::servers::process::{Process, Program};
use crate::support::servers::upstream::Upstream;
use crate::support::servers::{assets, ports};
use crate::support::wait::eventually;

const SOON: Duration = Duration::from_mins(1);

/// How fusegate is reached in the files.
const FUSEGATE: &str = "address: fusegate-xds.fusegate-system.svc, port_value: 18000";

/// A mesh, as far as its Envoys' bootstrap goes.
struct Mesh {
    /// The layers of its own.
    layers: Value,
    /// The cluster of its control plane.
    control: &'static str,
    /// How it names the cluster of a service, as a policy writes it; it is the contract's permission too.
    cluster: &'static str,
    /// What is merged into its bootstrap.
    merged: fn() -> Value,
}

/// Envoy Gateway 1.9: `internal/xds/bootstrap/bootstrap.yaml.tpl`.
fn envoy_gateway() -> Mesh {
    Mesh {
        layers: json!([{"name": "global_config", "static_layer": {"re2.max_program_size.warn_level": 1000}}]),
        control: "xds_cluster",
        cluster: "httproute/{namespace}/{name}/rule/0",
        merged: envoy_proxy,
    }
}

/// Istio: `tools/packaging/common/envoy_bootstrap.json`.
fn istio() -> Mesh {
    Mesh {
        layers: json!([
            {"name": "global config", "static_layer": {"re2.max_program_size.error_level": "32768"}},
            {"name": "admin", "admin_layer": {}},
        ]),
        control: "xds-grpc",
        cluster: "outbound|8080||{name}.{namespace}.svc.cluster.local",
        merged: envoy_filter,
    }
}

/// Consul: `command/connect/envoy/bootstrap_tpl.go`.
fn consul() -> Mesh {
    Mesh {
        layers: json!([{"name": "base", "static_layer": {"re2.max_program_size.error_level": 1_048_576}}]),
        control: "local_agent",
        cluster: "{name}.default.dc1.internal.11111111-2222-3333-4444-555555555555.consul",
        merged: overlay,
    }
}

fn overlay() -> Value {
    documents("deploy/envoy/overlay.yaml").remove(0)
}

fn envoy_filter() -> Value {
    let filter = documents("deploy/envoy/istio.yaml").remove(0);
    filter["spec"]["configPatches"][0]["patch"]["value"].clone()
}

fn envoy_proxy() -> Value {
    let proxy = documents("deploy/envoy/envoy-gateway.yaml").remove(0);
    serde_saphyr::from_str(proxy["spec"]["bootstrap"]["value"].as_str().unwrap()).unwrap()
}

#[test]
fn each_mesh_gets_the_same_but_for_a_second_admin_layer() {
    assert_eq!(envoy_proxy(), overlay());
    let mut without = overlay();
    let layers = without["layered_runtime"]["layers"].as_array_mut().unwrap();
    assert!(layers.pop().unwrap()["admin_layer"].is_object());
    assert_eq!(envoy_filter(), without);
}

/// A fusegate with one object, whose circuit opens at the first report of more than 250 ms.
struct Judge {
    fusegate: Fusegate,
    folder: Scratch,
}

impl Judge {
    async fn start(cluster: &str) -> Result<Self> {
        let folder = Scratch::new("mesh")?;
        let mut contract = documents("deploy/examples/contract.yaml").remove(0);
        contract["spec"]["mesh"]["clusters"] = json!([cluster]);
        let mut policy = documents("deploy/examples/policy.yaml").remove(0);
        policy["spec"]["trip"]["consecutive"] = json!(1);
        policy["spec"]["mesh"]["shed"] = json!([{"cluster": cluster}]);
        folder.write("crd.yaml", read("deploy/examples/crd.yaml"))?;
        folder.write("contract.yaml", contract.to_string())?;
        folder.write("policy.yaml", policy.to_string())?;
        let judge = Self {
            fusegate: Fusegate::start(FusegateConfig::args([
                format!("--source=dir:{}", folder.path().display()),
                "--audit=/dev/null".to_owned(),
            ]))
            .await?,
            folder,
        };
        judge.report("120ms")?;
        Ok(judge)
    }

    fn report(&self, latency: &str) -> Result<()> {
        let mut object = documents("deploy/examples/storefront.yaml").remove(0);
        object["status"]["conditions"]["network-latency"] = json!(latency);
        self.folder.write("object.yaml", object.to_string())?;
        Ok(())
    }
}

/// An Envoy that runs on a configuration and what is merged into it.
struct Proxy {
    process: Process,
    admin: SocketAddr,
    listener: SocketAddr,
    _folder: Scratch,
}

impl Proxy {
    /// Traffic through it to any path that begins with `/checkout/` goes to the upstream.
    async fn start(
        folder: Scratch,
        listener: SocketAddr,
        admin: SocketAddr,
        merged: Option<Value>,
    ) -> Result<Self> {
        let file = folder.path().join("bootstrap.json").display().to_string();
        let flags = [
            "--disable-hot-restart",
            "--concurrency",
            "1",
            "--config-path",
            &file,
        ];
        let mut args: Vec<String> = flags.map(str::to_owned).into();
        if let Some(merged) = merged {
            args.extend(["--config-yaml".to_owned(), merged.to_string()]);
        }
        let mut process = Process::start(&Program {
            name: "envoy",
            path: assets::program("envoy")?,
            args,
            env: Vec::new(),
            log: folder.path().join("envoy.log"),
        })?;
        let ready = format!("http://{admin}/ready");
        let client = http::client()?;
        process
            .ready(SOON, async || {
                client.get(&ready).send().await?.error_for_status()?;
                Ok(())
            })
            .await?;
        Ok(Self {
            process,
            admin,
            listener,
            _folder: folder,
        })
    }

    async fn wait_answer(&self, status: u16) -> Result<()> {
        let url = format!("http://{}/checkout/", self.listener);
        let client = http::client()?;
        let what = format!("{status} at Envoy");
        let answered = eventually(&what, SOON, async || {
            let answer = client.get(&url).send().await?;
            let (found, headers) = (answer.status().as_u16(), answer.headers().clone());
            ensure!(found == status, "{found} {}", answer.text().await?);
            let shed = headers.get("x-envoy-overloaded").is_some();
            ensure!(shed == (status == 503), "{headers:?}");
            Ok(())
        });
        answered
            .await
            .map_err(|error| error.context(self.process.log_tail()))
    }

    /// The names of its layers, in the order in which a later one wins.
    async fn layers(&self) -> Result<Value> {
        let url = format!("http://{}/runtime", self.admin);
        let answer: Value = http::client()?.get(url).send().await?.json().await?;
        Ok(answer["layers"].clone())
    }
}

fn address(of: SocketAddr) -> String {
    format!("address: {}, port_value: {}", of.ip(), of.port())
}

/// Text or a document with our address in place of that of the files.
fn reached(document: &Value, xds: SocketAddr) -> Value {
    let text = document.to_string();
    let ours = r#""address":"fusegate-xds.fusegate-system.svc","port_value":18000"#;
    assert!(text.contains(ours), "{text}");
    let theirs = format!(r#""address":"{}","port_value":{}"#, xds.ip(), xds.port());
    serde_json::from_str(&text.replace(ours, &theirs)).unwrap()
}

#[tokio::test]
async fn envoy_sheds_on_the_plain_bootstrap() -> Result<()> {
    let judge = Judge::start("shop-{name}").await?;
    let upstream = Upstream::start().await?;
    let proxy = ports::retrying(async || {
        let (listener, admin) = (
            ports::loopback(ports::free()?),
            ports::loopback(ports::free()?),
        );
        let mut text = read("deploy/envoy/bootstrap.yaml");
        for (place, ours) in [
            (FUSEGATE, judge.fusegate.xds()),
            ("address: 0.0.0.0, port_value: 10000", listener),
            ("address: 127.0.0.1, port_value: 9901", admin),
            (
                "address: checkout.shop.svc, port_value: 8080",
                upstream.address(),
            ),
        ] {
            assert_eq!(text.matches(place).count(), 1, "{place}");
            text = text.replace(place, &address(ours));
        }
        let folder = Scratch::new("bootstrap")?;
        folder.write(
            "bootstrap.json",
            serde_saphyr::from_str::<Value>(&text)?.to_string(),
        )?;
        Proxy::start(folder, listener, admin, None).await
    })
    .await?;
    sheds_and_passes(&judge, &proxy).await
}

#[rstest]
#[case::istio(istio(), &["global config", "admin", "shop"])]
#[case::envoy_gateway(envoy_gateway(), &["global_config", "shop", "admin"])]
#[case::consul(consul(), &["base", "shop", "admin"])]
#[tokio::test]
async fn envoy_sheds_on_what_is_merged_into_a_meshs_bootstrap(
    #[case] mesh: Mesh,
    #[case] layers: &[&str],
) -> Result<()> {
    let judge = Judge::start(mesh.cluster).await?;
    let upstream = Upstream::start().await?;
    let proxy = ports::retrying(async || {
        let (listener, admin) = (
            ports::loopback(ports::free()?),
            ports::loopback(ports::free()?),
        );
        let folder = Scratch::new("mesh")?;
        let base = bootstrap(&mesh, &folder, listener, admin, upstream.address())?;
        folder.write("bootstrap.json", base.to_string())?;
        let merged = reached(&(mesh.merged)(), judge.fusegate.xds());
        Proxy::start(folder, listener, admin, Some(merged)).await
    })
    .await?;
    assert_eq!(proxy.layers().await?, json!(layers));
    sheds_and_passes(&judge, &proxy).await
}

async fn sheds_and_passes(judge: &Judge, proxy: &Proxy) -> Result<()> {
    proxy.wait_answer(200).await?;
    judge.report("900ms")?;
    proxy.wait_answer(503).await
}

/// A mesh's bootstrap. Listeners and clusters are read from files, where the mesh's control plane would send them by ADS.
fn bootstrap(
    mesh: &Mesh,
    folder: &Scratch,
    listener: SocketAddr,
    admin: SocketAddr,
    upstream: SocketAddr,
) -> Result<Value> {
    let cluster = mesh
        .cluster
        .replace("{name}", "checkout")
        .replace("{namespace}", "shop");
    let from_file = |name: &str, resource: Value| -> Result<Value> {
        let answer = json!({"version_info": "1", "resources": [resource]});
        let path = folder.write(name, answer.to_string())?;
        Ok(json!({"resource_api_version": "V3", "path_config_source": {"path": path}}))
    };
    let mut sent = to(&cluster, upstream);
    sent["@type"] = json!("type.googleapis.com/envoy.config.cluster.v3.Cluster");
    let mut control = to(mesh.control, ports::loopback(ports::free()?));
    control["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        },
    });
    Ok(json!({
        "node": {"id": "checkout-1", "cluster": "checkout"},
        "admin": {"address": socket(admin)},
        "layered_runtime": {"layers": mesh.layers},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                "grpc_services": [{"envoy_grpc": {"cluster_name": mesh.control}}],
            },
            "lds_config": from_file("lds.json", listener_of(&cluster, listener))?,
            "cds_config": from_file("cds.json", sent)?,
        },
        "static_resources": {"clusters": [control]},
    }))
}

fn socket(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip(), "port_value": address.port()}})
}

fn to(cluster: &str, address: SocketAddr) -> Value {
    let endpoint = json!({"endpoint": {"address": socket(address)}});
    json!({
        "name": cluster,
        "type": "STATIC",
        "load_assignment": {"cluster_name": cluster, "endpoints": [{"lb_endpoints": [endpoint]}]},
    })
}

fn listener_of(cluster: &str, address: SocketAddr) -> Value {
    let bootstrap = documents("deploy/envoy/bootstrap.yaml").remove(0);
    let mut listener = bootstrap["static_resources"]["listeners"][0].clone();
    listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
    listener["address"] = socket(address);
    let connections = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
    connections["route_config"]["virtual_hosts"][0]["routes"][0]["route"]["cluster"] =
        json!(cluster);
    listener
}
