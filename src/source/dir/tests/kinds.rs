//! Kinds of every sort in a directory: cluster-scoped ones, Kubernetes' own, and what is read outside of the status.

use super::*;
use crate::wire::event::ApiResource;

const REGION: &str = "
apiVersion: shop.example.com/v1
kind: Region
metadata: {name: eu}
status: {conditions: {network-latency: 120ms}}
";

fn region_crd(scope: &str) -> String {
    CRD.replace("Storefront", "Region")
        .replace("storefronts", "regions")
        .replace("scope: Namespaced", &format!("scope: {scope}"))
}

fn region_contract() -> String {
    CONTRACT
        .replace("Storefront", "Region")
        .replace("storefronts", "regions")
}

fn regions() -> Feed {
    Feed::Objects(GroupKind::new("shop.example.com", "Region"))
}

fn applied(events: &[Event]) -> Vec<Object> {
    let object = |event: &Event| match event {
        Event::Object(_, Change::Applied(object)) => Some(object.clone()),
        _ => None,
    };
    events.iter().filter_map(object).collect()
}

fn resources(events: &[Event]) -> Vec<ApiResource> {
    let resource = |event: &Event| match event {
        Event::ApiResource(Change::Applied(resource)) => Some(resource.clone()),
        _ => None,
    };
    events.iter().filter_map(resource).collect()
}

/// The file of the object comes first by its name, so that it is read before the CRD says where its kind lives.
#[tokio::test]
async fn an_object_of_a_cluster_scoped_kind_is_in_no_namespace() {
    let shop = Shop::new();
    shop.write("a-region.yaml", REGION);
    shop.write("b-contract.yaml", &region_contract());
    shop.write("c-crd.yaml", &region_crd("Cluster"));
    let mut running = shop.start();
    let events = running.until_confirmed(&regions()).await;
    let region = applied(&events)
        .into_iter()
        .find(|it| &*it.meta.name == "eu");
    let cluster_scoped = region.unwrap().meta;
    assert_eq!(&*cluster_scoped.namespace, "");

    shop.write("c-crd.yaml", &region_crd("Namespaced"));
    let (moved, before) = running.until_object("eu").await;
    assert_eq!(&*moved.meta.namespace, "default");
    assert_ne!(moved.meta.uid, cluster_scoped.uid);
    assert_eq!(deletions(&before), 1, "{before:#?}");
    running.stop().await;
}

#[tokio::test]
async fn kubernetes_own_kinds_need_no_crd() {
    let shop = Shop::new();
    let target = |group: &str, kind: &str| {
        CONTRACT
            .replace("storefronts.shop.example.com", &kind.to_lowercase())
            .replace(
                "group: shop.example.com, kind: Storefront",
                &format!("group: \"{group}\", kind: {kind}"),
            )
    };
    shop.write("nodes.yaml", &target("", "Node"));
    shop.write("deployments.yaml", &target("apps", "Deployment"));
    shop.write(
        "node.yaml",
        "{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {}}",
    );
    let mut running = shop.start();
    let nodes = GroupKind::new("", "Node");
    let events = running
        .until_confirmed(&Feed::Objects(GroupKind::new("apps", "Deployment")))
        .await;
    let resource = |group: &str, kind: &str, namespaced| ApiResource {
        target: GroupKind::new(group, kind),
        version: "v1".into(),
        plural: "".into(),
        namespaced,
    };
    let expected = [
        resource("", "Node", false),
        resource("apps", "Deployment", true),
    ];
    assert_eq!(resources(&events), expected);
    let node = applied(&events)
        .into_iter()
        .find(|it| &*it.meta.name == "n1");
    assert_eq!(&*node.unwrap().meta.namespace, "");

    fs::remove_file(shop.path("nodes.yaml")).unwrap();
    let gone = |event: &Event| match event {
        Event::ApiResource(Change::Deleted(resource)) => Some(resource.target.clone()),
        _ => None,
    };
    let (gone, _) = running.until("the end of Nodes", gone).await;
    assert_eq!(gone, nodes);
    running.stop().await;
}

#[tokio::test]
async fn of_spec_and_metadata_comes_what_the_contract_reads_and_no_more() {
    let shop = Shop::new();
    let conditions = "[{key: network-latency, type: Duration}, {key: missing, type: Integer, from: {cel: \"object.spec.replicas - object.status.ready\"}}]";
    let reading = CONTRACT.replace("[{key: network-latency, type: Duration}]", conditions);
    shop.write("contract.yaml", &reading);
    let spec = "spec: {replicas: 3, template: {a: b}}\n";
    shop.write("checkout.yaml", &(storefront("checkout", "120ms") + spec));
    let (mut running, before) = shop.started().await;
    let object = applied(&before).pop().unwrap();
    assert_eq!(object.rest.unwrap().get(), r#"{"spec":{"replicas":3}}"#);

    shop.write("contract.yaml", CONTRACT);
    let (object, _) = running.until_object("checkout").await;
    assert!(object.rest.is_none(), "{object:?}");
    running.stop().await;
}
