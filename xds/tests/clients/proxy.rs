//! A real Envoy, started with a bootstrap of its own and stopped when it is dropped.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::http;
use crate::wait::until;

/// How this Envoy speaks to the control plane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variant {
    pub(crate) delta: bool,
    pub(crate) ads: bool,
}

impl Variant {
    pub(crate) const ALL: [Self; 4] = [
        Self {
            delta: false,
            ads: true,
        },
        Self {
            delta: true,
            ads: true,
        },
        Self {
            delta: false,
            ads: false,
        },
        Self {
            delta: true,
            ads: false,
        },
    ];

    /// Runs a test in all variants, side by side.
    pub(crate) async fn each(test: impl AsyncFn(Self)) {
        let all = Self::ALL.map(|variant| test(variant));
        futures::future::join_all(all).await;
    }

    /// Where a resource type comes from.
    pub(crate) fn source(self) -> Value {
        let mut source = json!({"resource_api_version": "V3", "initial_fetch_timeout": "5s"});
        if self.ads {
            source["ads"] = json!({});
        } else {
            source["api_config_source"] = self.api();
        }
        source
    }

    fn api(self) -> Value {
        json!({
            "api_type": if self.delta { "DELTA_GRPC" } else { "GRPC" },
            "transport_api_version": "V3",
            "set_node_on_first_message_only": true,
            "grpc_services": [{"envoy_grpc": {
                "cluster_name": "plane",
                "retry_policy": {"retry_back_off": {"base_interval": "0.05s", "max_interval": "0.2s"}},
            }}],
        })
    }
}

/// A running Envoy.
pub(crate) struct Proxy {
    pub(crate) admin: SocketAddr,
    process: Child,
    folder: TempDir,
}

impl Proxy {
    /// Starts an Envoy that gets the runtime `layers`, and everything else where `mesh` says so, from `plane`.
    pub(crate) async fn start(
        plane: SocketAddr,
        variant: Variant,
        layers: &[&str],
        mesh: bool,
    ) -> Self {
        Self::start_from(bootstrap_of(plane, variant, layers, mesh).to_string()).await
    }

    /// The same for a node of this id.
    pub(crate) async fn start_as(
        id: &str,
        plane: SocketAddr,
        variant: Variant,
        layers: &[&str],
    ) -> Self {
        let mut content = bootstrap_of(plane, variant, layers, false);
        content["node"]["id"] = id.into();
        Self::start_from(content.to_string()).await
    }

    /// The same over TLS, with the transport socket that it is to use.
    pub(crate) async fn start_over_tls(
        plane: SocketAddr,
        variant: Variant,
        layers: &[&str],
        socket: Value,
    ) -> Self {
        let mut content = bootstrap_of(plane, variant, layers, true);
        content["static_resources"]["clusters"][0]["transport_socket"] = socket;
        Self::start_from(content.to_string()).await
    }

    /// The same with a bootstrap as YAML, of which JSON is a part.
    pub(crate) async fn start_from(content: String) -> Self {
        let folder = TempDir::new().unwrap();
        let bootstrap = folder.path().join("bootstrap.yaml");
        fs::write(&bootstrap, content).unwrap();
        let admin_path = folder.path().join("admin");
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let process = Command::new(installed("FUSEGATE_ENVOY", "envoy"))
            .args([
                "--disable-hot-restart",
                "--concurrency",
                "1",
                "--log-level",
                "warn",
                // What a changed listener leaves behind tells its clients with their next answer, and then goes.
                "--drain-time-s",
                "2",
                "--drain-strategy",
                "immediate",
                "-c",
            ])
            .arg(&bootstrap)
            .arg("--admin-address-path")
            .arg(&admin_path)
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let admin = || fs::read_to_string(&admin_path).ok()?.parse().ok();
        until("Envoy's admin port", true, async || admin().is_some()).await;
        let admin: SocketAddr = admin().unwrap();
        let proxy = Self {
            admin,
            process,
            folder,
        };
        until("Envoy's readiness", 200, async || {
            http::get(admin, "/ready").await.0
        })
        .await;
        proxy
    }

    /// Stops it in its tracks: it keeps its connections, and answers nothing.
    pub(crate) async fn freeze(&self) {
        let id = self.process.id().unwrap().to_string();
        let frozen = Command::new("kill").args(["-STOP", &id]).status().await;
        assert!(frozen.unwrap().success());
    }

    /// The value of a runtime key in use; empty if there is none.
    pub(crate) async fn runtime(&self, key: &str) -> String {
        let (_, body) = http::get(self.admin, "/runtime").await;
        let runtime: Value = serde_json::from_str(&body).unwrap_or_default();
        let value = runtime["entries"][key]["final_value"].as_str();
        value.unwrap_or_default().to_owned()
    }

    /// The value of a statistic; `None` if there is none of this name.
    pub(crate) async fn stat(&self, name: &str) -> Option<u64> {
        let (_, body) = http::get(self.admin, "/stats").await;
        let line = body
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.and_then(|value| value.parse().ok())
    }

    /// The statistics that count refused updates and are not zero.
    pub(crate) async fn rejected(&self) -> Vec<String> {
        let (_, body) = http::get(self.admin, "/stats?filter=update_rejected&usedonly").await;
        let lines = body.lines().filter(|line| !line.ends_with(": 0"));
        lines.map(str::to_owned).collect()
    }

    /// What Envoy has to say for itself.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

fn bootstrap_of(plane: SocketAddr, variant: Variant, layers: &[&str], mesh: bool) -> Value {
    let layers = layers.iter().map(
        |name| json!({"name": name, "rtds_layer": {"name": name, "rtds_config": variant.source()}}),
    );
    let mut bootstrap = json!({
        // Envoy heeds TTLs, but says so only if it is told to (rule 35).
        "node": {"id": "envoy", "cluster": "test", "client_features": [
            "xds.config.supports-resource-ttl", "xds.config.supports-resource-in-sotw",
        ]},
        "admin": {"address": address(([127, 0, 0, 1], 0).into())},
        "layered_runtime": {"layers": layers.collect::<Vec<_>>()},
        "static_resources": {"clusters": [{
            "name": "plane",
            "type": "STATIC",
            "connect_timeout": "1s",
            "typed_extension_protocol_options": {
                "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                    "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                    "explicit_http_config": {"http2_protocol_options": {}},
                },
            },
            "load_assignment": {"cluster_name": "plane", "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": address(plane)}},
            ]}]},
        }]},
    });
    let mut dynamic = json!({});
    if variant.ads {
        dynamic["ads_config"] = variant.api();
    }
    if mesh {
        dynamic["cds_config"] = variant.source();
        dynamic["lds_config"] = variant.source();
    }
    bootstrap["dynamic_resources"] = dynamic;
    bootstrap
}

pub(crate) fn address(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip(), "port_value": address.port()}})
}

/// The program that the environment names, or the installed one.
pub(crate) fn installed(variable: &str, name: &str) -> PathBuf {
    let given = |variable: &str| env::var_os(variable).filter(|value| !value.is_empty());
    if let Some(path) = given(variable) {
        return path.into();
    }
    let cache = given("FUSEGATE_CACHE").map(PathBuf::from);
    let cache = cache.or_else(|| Some(Path::new(&given("XDG_CACHE_HOME")?).join("fusegate")));
    let cache = cache.or_else(|| Some(Path::new(&given("HOME")?).join(".cache/fusegate")));
    let path = cache.unwrap_or_default().join("servers/bin").join(name);
    assert!(
        path.is_file(),
        "there is no {name} at {}: run `tests/servers/install.sh {name}`, or set {variable} to one",
        path.display()
    );
    path
}
