//! The chart over a matrix of values: linted, rendered, started by options that fusegate has, and taken by an API server.

use anyhow::{Result, ensure};
use clap::Parser as _;
use fusegate::cli::{self, Cli};
use kube::Client;
use rstest::rstest;
use serde_json::{Value, json};

use super::helm::{CHART, NAMESPACE, helm, of_kind, rendered, template};
use super::{path, variables};
use crate::support::scratch::Scratch;
use crate::support::servers::{
    apiserver::ApiServer,
    apply::{Keep, apply},
};

/// The groups of operators that the tests' API server has not got.
const FOREIGN: [&str; 2] = ["cert-manager.io/v1", "monitoring.coreos.com/v1"];

/// Everything that can be asked for at once.
const WHOLE: &str = r#"
replicas: 3
image: {repository: registry.example.com/fusegate, digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000"}
imagePullSecrets: [{name: pull}]
options:
  alertmanager: null
  alertmanager-http-config: /etc/alertmanager/http.yaml
  record: /var/lib/fusegate/recording.jsonl
  record-limit: 4096
  audit: /var/lib/fusegate/audit.jsonl
  xds-max-streams: 1000000
  xds-max-connection-age: 30m
logLevel: info,fusegate=debug
env: [{name: FUSEGATE_ALERTMANAGERS, valueFrom: {secretKeyRef: {name: pager, key: urls}}}]
volumes: [{name: state, emptyDir: {sizeLimit: 8Gi}}, {name: pager, secret: {secretName: pager}}]
volumeMounts: [{name: state, mountPath: /var/lib/fusegate}, {name: pager, mountPath: /etc/alertmanager}]
xds: {certificates: {from: CertManager, clients: [{name: edge, uri: "spiffe://cluster.local/ns/shop/sa/edge"}]}}
webhook: {certificates: {from: CertManager}}
rbac: {contractedKinds: [{apiGroups: [apps], resources: [deployments]}, {apiGroups: [flagger.app], resources: [canaries], verbs: [get]}]}
podDisruptionBudget: {minAvailable: "50%"}
networkPolicy:
  xdsClients: [{podSelector: {}, namespaceSelector: {}}]
  gateClients: [{ipBlock: {cidr: 10.0.0.0/8}}]
  egress: [{}]
monitoring: {serviceMonitor: true, prometheusRule: true, dashboard: true, interval: 15s, labels: {release: kps}}
resources: {limits: {memory: 4Gi}}
podLabels: {team: platform}
podAnnotations: {example.com/a: "1"}
priorityClassName: system-cluster-critical
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{key: a, operator: Exists}]
affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: zone}}]}}
topologySpreadConstraints: []
"#;

/// As little as possible.
const BARE: &str = "
replicas: 1
options: {webhook-listen: null}
crds: {install: false}
rbac: {rollback: false, admissionPolicies: false}
networkPolicy: {enabled: false}
monitoring: {annotations: false}
topologySpreadConstraints: []
";

#[rstest]
#[case::defaults("{}")]
#[case::whole(WHOLE)]
#[case::bare(BARE)]
#[case::own_certificates(
    "{xds: {certificates: {from: Secret, secretName: mine}}, webhook: {certificates: {from: Secret, secretName: its}}}"
)]
#[case::other_ports("options: {http-listen: '[::]:9000', xds-listen: '[::]:9001'}")]
#[case::pod_monitor("monitoring: {podMonitor: true}")]
#[case::profiles("options: {debug-listen: 127.0.0.1:6060}")]
#[case::crds_that_go("crds: {keep: false}")]
#[case::shards("shards: 3")]
#[tokio::test]
async fn each_rendering_is_linted_starts_fusegate_and_is_taken(#[case] values: &str) -> Result<()> {
    let scratch = Scratch::new("values")?;
    let file = scratch.write("values.yaml", values)?;
    helm([
        "lint",
        "--strict",
        CHART,
        "--values",
        &file.display().to_string(),
    ])?;
    let documents = rendered(values)?;
    starts(&documents)?;
    let client = ApiServer::shared().await?.client().await?;
    taken(&client, &documents).await
}

/// The API server takes all of them, but for kinds of operators that it has not got.
async fn taken(client: &Client, documents: &[Value]) -> Result<()> {
    super::cluster::namespace(client).await?;
    for document in documents {
        if FOREIGN.contains(&document["apiVersion"].as_str().unwrap_or_default()) {
            continue;
        }
        apply(client, NAMESPACE, document, Keep::No).await?;
    }
    Ok(())
}

/// The Deployment's container starts `fusegate run` with options that it has, and each port is of a Service.
fn starts(documents: &[Value]) -> Result<()> {
    let container = container(documents);
    run(documents).xds.check()?;
    let args = container["args"].as_array().unwrap().iter();
    let listens = args.filter_map(|arg| {
        let (name, address) = arg.as_str()?.strip_prefix("--")?.split_once("-listen=")?;
        let (_, port) = address.rsplit_once(':')?;
        Some((name, port.parse::<u16>().unwrap()))
    });
    // The debug port is for port-forward alone.
    let listens: Vec<_> = listens.filter(|(name, _)| *name != "debug").collect();
    ensure!(listens.len() >= 2, "{listens:?}");
    for (name, port) in listens {
        let port = json!({"name": name, "protocol": "TCP", "containerPort": port});
        let ports = container["ports"].as_array().unwrap();
        ensure!(ports.contains(&port), "{port} is not in {ports:?}");
        let services = of_kind(documents, "Service");
        let mut targets = services
            .iter()
            .map(|service| &service["spec"]["ports"][0]["targetPort"]);
        ensure!(
            targets.any(|target| target == name),
            "no Service has {port}"
        );
    }
    let read = variables();
    for variable in container["env"].as_array().unwrap() {
        let name = variable["name"].as_str().unwrap();
        ensure!(
            read.contains(name) || name == "RUST_LOG",
            "fusegate doesn't read {name}"
        );
    }
    Ok(())
}

fn container(documents: &[Value]) -> &Value {
    // Those of several shards differ in the number alone.
    let deployments = of_kind(documents, "Deployment");
    &deployments[0]["spec"]["template"]["spec"]["containers"][0]
}

/// What the container's arguments say.
fn run(documents: &[Value]) -> cli::run::Run {
    let args = container(documents)["args"].as_array().unwrap();
    let args = args.iter().map(|arg| arg.as_str().unwrap());
    let cli = Cli::try_parse_from(["fusegate"].into_iter().chain(args)).unwrap();
    let cli::Command::Run(run) = cli.command else {
        panic!("the Deployment does not run the controller")
    };
    *run
}

#[test]
fn values_reach_the_options_as_they_are_written() -> Result<()> {
    let run = run(&rendered(WHOLE)?);
    assert_eq!(run.record_limit, 4_096);
    assert_eq!(run.xds.max_streams.get(), 1_000_000);
    assert!(run.alertmanagers.is_empty());
    assert_eq!(run.cluster, "production");
    assert_eq!(run.xds.layers, cli::run::xds::Layers::Certificate);
    assert!(!run.xds.insecure);
    Ok(())
}

#[test]
fn what_is_left_out_is_not_there() -> Result<()> {
    let documents = rendered(BARE)?;
    for kind in [
        "CustomResourceDefinition",
        "PodDisruptionBudget",
        "NetworkPolicy",
    ] {
        assert!(of_kind(&documents, kind).is_empty(), "{kind}");
    }
    let roles = of_kind(&documents, "ClusterRole");
    let own = roles
        .iter()
        .find(|role| role["metadata"]["name"] == "fusegate");
    let granted = own.unwrap()["rules"].to_string();
    assert!(!granted.contains("update"), "{granted}");
    assert!(!granted.contains("admissionregistration"), "{granted}");
    let all = json!(documents).to_string();
    assert!(
        !all.contains("webhook") && !all.contains("secrets"),
        "{all}"
    );
    let whole = rendered(WHOLE)?;
    for kind in ["ServiceMonitor", "PrometheusRule", "Certificate", "Issuer"] {
        assert!(!of_kind(&whole, kind).is_empty(), "{kind}");
        assert!(of_kind(&documents, kind).is_empty(), "{kind}");
    }
    Ok(())
}

#[test]
fn a_service_monitor_finds_the_service_of_metrics_alone() -> Result<()> {
    let documents = rendered(WHOLE)?;
    let monitor = of_kind(&documents, "ServiceMonitor")[0];
    let wanted = monitor["spec"]["selector"]["matchLabels"]
        .as_object()
        .unwrap();
    let services = of_kind(&documents, "Service").into_iter();
    let found = services.filter(|service| {
        let labels = &service["metadata"]["labels"];
        wanted.iter().all(|(key, value)| labels[key] == *value)
    });
    let found: Vec<&str> = found
        .filter_map(|service| service["metadata"]["name"].as_str())
        .collect();
    assert_eq!(found, ["fusegate"]);
    let endpoint = &monitor["spec"]["endpoints"][0];
    assert_eq!(
        *endpoint,
        json!({"port": "http", "path": "/metrics", "interval": "15s"})
    );
    let pods = &of_kind(&documents, "Deployment")[0]["spec"]["template"]["metadata"];
    assert!(
        pods["annotations"]["prometheus.io/scrape"].is_null(),
        "{pods}"
    );
    Ok(())
}

#[test]
fn the_rules_are_the_plain_ones_with_the_runbooks_address() -> Result<()> {
    let values = "monitoring: {prometheusRule: true, runbooks: 'https://wiki.example.org/r'}";
    let documents = rendered(values)?;
    let rule = of_kind(&documents, "PrometheusRule")[0];
    let plain = super::read("deploy/prometheus/rules.yaml");
    let plain = plain.replace("https://runbooks.example.com", "https://wiki.example.org/r");
    let plain: Value = serde_saphyr::from_str(&plain)?;
    assert_eq!(rule["spec"], plain);
    Ok(())
}

#[rstest]
#[case::an_option_that_is_not_there("options: {xds-listn: '0.0.0.0:1'}", "xds-listn")]
#[case::no_port("options: {xds-listen: null}", "xds-listen")]
#[case::a_choice_that_is_not_there("options: {log-format: xml}", "log-format")]
#[case::a_value_that_is_not_there("replica: 3", "replica")]
#[case::too_many_shards("shards: 65", "shards")]
#[case::two_monitors("monitoring: {serviceMonitor: true, podMonitor: true}", "monitoring")]
#[case::nobody_may_come("networkPolicy: {xdsClients: []}", "xdsClients")]
#[case::a_uri_without_namespace(
    "xds: {certificates: {clients: [{name: a, uri: 'spiffe://a/b'}]}}",
    "uri"
)]
#[case::rights_to_write(
    "rbac: {contractedKinds: [{apiGroups: [apps], resources: [deployments], verbs: [patch]}]}",
    "verbs"
)]
fn what_can_not_be_is_refused_by_name(#[case] values: &str, #[case] part: &str) -> Result<()> {
    let scratch = Scratch::new("values")?;
    let file = scratch.write("values.yaml", values)?;
    let told = template(&[&file], &[]).expect_err("it renders").to_string();
    ensure!(
        told.contains("don't meet the specifications") && told.contains(part),
        "{told}"
    );
    Ok(())
}

#[test]
fn the_notes_warn_where_nothing_keeps_strangers_out() -> Result<()> {
    let notes = |more: &[&str]| {
        let args = [
            "install",
            "fusegate",
            CHART,
            "--namespace",
            NAMESPACE,
            "--dry-run=client",
        ];
        helm(args.into_iter().chain(more.iter().copied()))
    };
    let warning = "WARNING: anybody in the cluster can read every layer";
    let usual = notes(&[])?;
    ensure!(
        !usual.contains(warning) && usual.contains("rollout status"),
        "{usual}"
    );
    let open = notes(&["--set", "networkPolicy.enabled=false"])?;
    ensure!(open.contains(warning), "{open}");
    Ok(())
}

#[test]
fn the_chart_and_the_program_have_one_version() {
    let chart: Value =
        serde_saphyr::from_str(&super::read(&format!("{CHART}/Chart.yaml"))).unwrap();
    for field in ["version", "appVersion"] {
        assert_eq!(chart[field], env!("CARGO_PKG_VERSION"), "{field}");
    }
    assert!(path(CHART).join("templates/NOTES.txt").is_file());
}
