//! What is listed, and what is said when nothing can be.

use clap::Parser;

use super::*;
use crate::cli::{Cli, Command};
use crate::serve::proxies::{Behind, Name, Refusal, Type, Version};

fn options(line: &str) -> Proxies {
    let words = ["fusegate", "proxies"].into_iter();
    let cli = Cli::try_parse_from(words.chain(line.split_whitespace())).unwrap();
    let Command::Proxies(proxies) = cli.command else {
        panic!("not proxies")
    };
    proxies
}

fn proxy(node: &str, types: Vec<Type>) -> Proxy {
    Proxy {
        node: node.into(),
        cluster: "edge".into(),
        address: Some("10.0.0.7:4711".into()),
        transport: "delta-ads".into(),
        types,
        ..Proxy::default()
    }
}

fn layers(names: &[&str], subscribed: usize) -> Type {
    let name = |name: &&str| Name {
        name: (*name).into(),
        permitted: *name != "bank",
        ..Name::default()
    };
    Type {
        name: "envoy.service.runtime.v3.Runtime".into(),
        subscribed,
        names: names.iter().map(name).collect(),
        acked: Some(Version {
            version: "0123456789abcdef".into(),
            time: None,
        }),
        ..Type::default()
    }
}

#[test]
fn a_table_has_a_line_for_each_proxy_and_type() {
    let refusal = Refusal {
        time: Some("2026-11-22T14:05:00Z".into()),
        message: "no\u{1b}[31m\ngood".into(),
        ..Refusal::default()
    };
    let behind = Type {
        nacked: Some(refusal),
        behind: Behind {
            names: 1,
            versions: 3,
            seconds: 42,
        },
        ..layers(&["shop", "bank"], 2)
    };
    let many = layers(&["a", "b", "c", "d"], 40);
    let proxies = [
        proxy("edge-1", vec![behind]),
        proxy(
            "a-node-with-a-name-of-more-than-forty-characters",
            vec![many],
        ),
        proxy("idle", Vec::new()),
    ];
    let mut out = Vec::new();
    table::write(&proxies, &mut out).unwrap();
    let expected = "\
NODE                                      CLUSTER  ADDRESS        TRANSPORT  TYPE     NAMES                 ACKED     BEHIND             LAST REFUSED
edge-1                                    edge     10.0.0.7:4711  delta-ads  Runtime  shop, bank (denied)   01234567  1 name by 3, 42 s  2026-11-22T14:05:00Z no [31m good
a-node-with-a-name-of-more-than-forty-c…  edge     10.0.0.7:4711  delta-ads  Runtime  a, b, c, and 37 more  01234567  -                  -
idle                                      edge     10.0.0.7:4711  delta-ads  -        -                     -         -                  -
";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn what_is_asked_for_is_in_the_url() {
    let url = |line: &str, after| {
        let options = options(line);
        let url = options
            .server
            .url("v1/proxies", &options.query("500", after));
        url.map(|url| url.to_string())
    };
    let plain = url("", None).unwrap();
    assert_eq!(plain, "http://127.0.0.1:8080/v1/proxies?limit=500");
    let more = "--server http://a:1/base/ --node a&b --layer shop --behind";
    let expected =
        "http://a:1/base/v1/proxies?limit=500&continue=7&node=a%26b&layer=shop&behind=true";
    assert_eq!(url(more, Some("7")).unwrap(), expected);
    for server in ["ftp://a:1", "/a"] {
        let told = url(&format!("--server {server}"), None).unwrap_err();
        assert!(told.to_string().contains("http://HOST:PORT"), "{told}");
    }
}

#[tokio::test]
async fn a_port_that_nobody_answers_is_told_with_what_to_do() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let options = options(&format!("--server http://{address}"));
    let told = options
        .print(&mut Vec::new())
        .await
        .unwrap_err()
        .to_string();
    for part in ["refused", "--server", "port-forward"] {
        assert!(told.contains(part), "{told}");
    }
}
