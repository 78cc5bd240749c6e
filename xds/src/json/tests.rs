//! Resources out of text.

use std::fs;
use std::time::Duration;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::endpoint::v3::{ClusterLoadAssignment, LbEndpoint};
use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::envoy::config::listener::v3::filter::ConfigType;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::Secret;
use prost::{Message, Name};

use super::{parse, read};
use crate::resource::Resource;
use crate::type_url::TypeUrl;

/// The resources of a text in which nothing is wrong.
fn resources(text: &str) -> Vec<Resource> {
    let (resources, problems) = parse("test.yaml", text);
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{told:?}");
    resources
}

/// What is wrong with a text, a line each.
fn told(text: &str) -> Vec<String> {
    let (_, problems) = parse("test.yaml", text);
    problems.iter().map(ToString::to_string).collect()
}

/// The message in a resource, which must be what its own message would be.
fn message<M: Message + Name + Default>(resource: &Resource) -> M {
    let message = M::decode(resource.body()).unwrap();
    let same = Resource::from_message(resource.name(), &message);
    assert_eq!(*resource, same, "it is encoded canonically");
    message
}

const LISTENER: &str = r#"
"@type": type.googleapis.com/envoy.config.listener.v3.Listener
name: ingress
address: {socketAddress: {address: 0.0.0.0, port_value: 10000}}
filter_chains:
- filters:
  - name: http
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
      stat_prefix: ingress
      stream_idle_timeout: 1.5s
      rds: {route_config_name: ingress, config_source: {ads: {}, resource_api_version: V3}}
      http_filters:
      - name: router
        typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
"#;

#[test]
fn a_message_and_the_messages_packed_into_it_are_read() {
    let all = resources(LISTENER);
    let listener: Listener = message(&all[0]);
    assert_eq!(&**all[0].name(), "ingress");
    let filter = &listener.filter_chains[0].filters[0];
    let Some(ConfigType::TypedConfig(any)) = &filter.config_type else {
        panic!("no typed configuration: {filter:?}");
    };
    let manager = HttpConnectionManager::decode(any.value.as_slice()).unwrap();
    assert_eq!(manager.stream_idle_timeout.unwrap().nanos, 500_000_000);
    assert_eq!(manager.http_filters.len(), 1);
    let referred: Vec<&str> = all[0].references().iter().map(|one| &*one.name).collect();
    assert_eq!(referred, ["ingress"], "the library sees what it refers to");
}

#[test]
fn maps_are_encoded_in_the_order_of_their_keys() {
    let keys: Vec<String> = (0..50)
        .map(|key| format!("    key-{key}: {{value: {key}}}\n"))
        .collect();
    let keys = keys.concat();
    let text = format!(
        "\"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster\nname: a\nmetadata:\n  filter_metadata:\n{keys}"
    );
    let cluster: Cluster = message(&resources(&text)[0]);
    assert_eq!(cluster.metadata.unwrap().filter_metadata.len(), 50);
}

#[test]
fn json_and_yaml_lists_and_documents_come_to_the_same() {
    let cluster = |name: &str| {
        format!(
            r#"{{"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "{name}", "connectTimeout": "1s"}}"#
        )
    };
    let (a, b) = (cluster("a"), cluster("b"));
    let expected = resources(&format!(r#"{{"resources": [{a}, {b}]}}"#));
    assert_eq!(expected.len(), 2);
    assert_eq!(resources(&format!("[{a}, {b}]")), expected);
    assert_eq!(resources(&format!("---\n{a}\n---\n{b}\n")), expected);
    assert_eq!(
        resources(&format!("version_info: x\nresources:\n- {a}\n- {b}\n")),
        expected
    );
    assert_eq!(resources(""), []);
}

#[test]
fn each_type_is_called_as_its_message_is() {
    let all = resources(
        r#"
- {"@type": type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment, cluster_name: checkout}
- {"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret, name: token, generic_secret: {secret: {inline_bytes: AAEC}}}
- {"@type": type.googleapis.com/envoy.service.runtime.v3.Runtime, name: shop, layer: {flag: true}}
"#,
    );
    let names: Vec<&str> = all.iter().map(|resource| &**resource.name()).collect();
    assert_eq!(names, ["checkout", "token", "shop"]);
    let _: ClusterLoadAssignment = message(&all[0]);
    let secret: Secret = message(&all[1]);
    assert!(secret.r#type.is_some());
    assert_eq!(all[2].type_url(), &TypeUrl::RUNTIME);
}

#[test]
fn a_wrapper_gives_name_aliases_and_ttl() {
    let wrapper = r#"
"@type": type.googleapis.com/envoy.service.discovery.v3.Resource
name: xdstp://example.com/envoy.config.endpoint.v3.LbEndpoint/checkout/1
aliases: [first]
ttl: 90s
resource:
  "@type": type.googleapis.com/envoy.config.endpoint.v3.LbEndpoint
  endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 80}}}
"#;
    let all = resources(wrapper);
    assert_eq!(all[0].ttl(), Some(Duration::from_secs(90)));
    assert_eq!(&*all[0].aliases()[0], "first");
    assert!(all[0].name().ends_with("/checkout/1"));
    let endpoint = LbEndpoint::decode(all[0].body()).unwrap();
    assert!(endpoint.host_identifier.is_some());
}

#[test]
fn problems_name_file_resource_and_field_and_spare_the_others() {
    let text = r#"
resources:
- {"@type": type.googleapis.com/envoy.config.cluster.v3.Cluster, name: good}
- {"@type": type.googleapis.com/envoy.config.cluster.v3.Cluster, name: slow, connect_timeout: soon}
- {"@type": type.googleapis.com/envoy.config.cluster.v3.Cluster, name: typo, conect_timeout: 1s}
- {name: untyped}
- {"@type": type.googleapis.com/envoy.config.cluster.v3.Clusta, name: unknown}
- {"@type": type.googleapis.com/envoy.config.cluster.v3.Cluster}
- {"@type": type.googleapis.com/envoy.config.route.v3.VirtualHost, name: host, domains: [a]}
- nothing
"#;
    assert_eq!(parse("test.yaml", text).0.len(), 1);
    let told = told(text);
    let begin = [
        "test.yaml: resources[1] (Cluster `slow`): connect_timeout: ",
        "test.yaml: resources[2] (Cluster `typo`): unrecognized field name 'conect_timeout'",
        "test.yaml: resources[3] has no `@type`",
        "test.yaml: resources[4]: `type.googleapis.com/envoy.config.cluster.v3.Clusta` is not among Envoy's types",
        "test.yaml: resources[5] (Cluster) has no name that clients ask for",
        "test.yaml: resources[6] (VirtualHost) has no name that clients ask for",
        "test.yaml: resources[7] has no `@type`",
    ];
    assert_eq!(told.len(), begin.len(), "{told:#?}");
    for (told, begin) in told.iter().zip(begin) {
        assert!(
            told.starts_with(begin),
            "{told}\nshould begin with\n{begin}"
        );
    }
}

#[test]
fn a_problem_in_a_packed_message_names_its_field() {
    let text = LISTENER.replace("1.5s", "[]");
    let begin = "test.yaml (Listener `ingress`): filter_chains[0].filters[0].typed_config.stream_idle_timeout: ";
    let told = told(&text);
    assert!(told[0].starts_with(begin), "{told:?}");
    let text = LISTENER.replace(
        "filters.http.router.v3.Router",
        "filters.http.router.v3.Rooter",
    );
    let told = self::told(&format!("---\n{text}\n---\n{LISTENER}"));
    let begin = "test.yaml, document 1 (Listener `ingress`): filter_chains[0].filters[0].typed_config.http_filters[0].typed_config";
    assert!(told[0].starts_with(begin), "{told:?}");
    assert!(told[0].contains("Rooter"), "{told:?}");
    assert_eq!(told.len(), 1);
}

#[test]
fn a_file_that_cannot_be_read_or_parsed_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.yaml");
    let told = read(&path).1[0].to_string();
    assert!(told.contains("shop.yaml can't be read: No such"), "{told}");
    fs::write(&path, LISTENER).unwrap();
    assert_eq!(read(&path).0.len(), 1);
    fs::write(&path, "a: [").unwrap();
    let told = read(&path).1[0].to_string();
    assert!(
        told.contains("shop.yaml is neither JSON nor YAML"),
        "{told}"
    );
}

#[test]
fn a_folder_is_read_file_by_file_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let cluster = |name: &str| {
        format!("\"@type\": type.googleapis.com/envoy.config.cluster.v3.Cluster\nname: {name}\n")
    };
    write("b.yaml", &cluster("b"));
    write(
        "a.json",
        r#"[{"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster"}]"#,
    );
    write("c.yml", &cluster("c"));
    for ignored in [".hidden.yaml", "b.yaml~", "README.md"] {
        write(ignored, "a: [");
    }
    fs::create_dir(folder.path().join("deeper.yaml")).unwrap();
    let (resources, problems) = read(folder.path());
    let names: Vec<&str> = resources
        .iter()
        .map(|resource| &**resource.name())
        .collect();
    assert_eq!(names, ["b", "c"]);
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("a.json: [0] (Cluster) has no name that clients ask for; give it one"),
        "{told:?}"
    );
}
