//! A node: the client at the other end of a stream, by its own account.

use envoy_types::pb::envoy::config::core::v3::Node as WireNode;
use envoy_types::pb::envoy::config::core::v3::node::UserAgentVersionType;

use crate::protocol::Refusal;

/// The most bytes of a node's id and cluster; a DNS name has at most 253.
const MAX_NAME: usize = 1_024;

/// The most bytes of what else it says of itself; it is cut there.
const MAX_REMARK: usize = 256;

/// The client at the other end of a stream, by its own account.
///
/// Only what tells clients apart is kept: an Envoy's full node message lists hundreds of extensions, and there is one per stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name, which should be unique.
    pub id: String,
    /// The group of clients that it belongs to.
    pub cluster: String,
    /// What it is and in which version, such as `envoy 1.40.0`.
    pub user_agent: String,
    /// Where it runs, as `region/zone/sub_zone`; empty if it doesn't say.
    pub locality: String,
    /// It drops resources whose TTL has passed, in delta (rule 35).
    pub ttl: bool,
    /// The same in SotW.
    pub ttl_in_sotw: bool,
    /// It understands `resource_errors` (rule 37).
    ///
    /// No client is known to announce that; the name is made after that of TTLs, `xds.config.supports-resource-errors`.
    pub resource_errors: bool,
}

impl Node {
    /// Reads the node of a stream's first request; it must have an id (rule 1).
    pub fn identify(wire: Option<WireNode>) -> Result<Self, Refusal> {
        Self::of(&wire.unwrap_or_default())
    }

    /// The same of a node that stays with the caller.
    pub(crate) fn of(wire: &WireNode) -> Result<Self, Refusal> {
        if wire.id.is_empty() {
            return Err(Refusal::MissingNode);
        }
        for (field, text) in [("id", &wire.id), ("cluster", &wire.cluster)] {
            let (length, limit) = (text.len(), MAX_NAME);
            if length > limit {
                return Err(Refusal::LongNode {
                    field,
                    length,
                    limit,
                });
            }
        }
        let announces = |feature: &str| wire.client_features.iter().any(|known| known == feature);
        let in_sotw = announces("xds.config.supports-resource-ttl-in-sotw")
            || announces("xds.config.supports-resource-in-sotw")
            || announces("xds.config.resource-in-sotw");
        Ok(Self {
            ttl: announces("xds.config.supports-resource-ttl"),
            resource_errors: announces("xds.config.supports-resource-errors"),
            ttl_in_sotw: announces("xds.config.supports-resource-ttl") && in_sotw,
            user_agent: cut(user_agent(wire)),
            locality: cut(locality(wire)),
            id: wire.id.clone(),
            cluster: wire.cluster.clone(),
        })
    }
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_REMARK));
    text
}

fn user_agent(node: &WireNode) -> String {
    let version = match &node.user_agent_version_type {
        Some(UserAgentVersionType::UserAgentVersion(version)) => version.clone(),
        Some(UserAgentVersionType::UserAgentBuildVersion(build)) => {
            let version = build.version.as_ref();
            version.map_or_else(String::new, |version| {
                format!(
                    "{}.{}.{}",
                    version.major_number, version.minor_number, version.patch
                )
            })
        }
        None => String::new(),
    };
    format!("{} {version}", node.user_agent_name)
        .trim()
        .to_owned()
}

fn locality(node: &WireNode) -> String {
    let Some(locality) = &node.locality else {
        return String::new();
    };
    let parts = [&locality.region, &locality.zone, &locality.sub_zone];
    parts
        .map(String::as_str)
        .join("/")
        .trim_end_matches('/')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use envoy_types::pb::envoy::config::core::v3::Node as WireNode;

    use super::Node;
    use crate::protocol::Refusal;

    #[test]
    fn rule_1_a_stream_must_say_whose_it_is() {
        assert_eq!(Node::identify(None), Err(Refusal::MissingNode));
        assert_eq!(
            Node::identify(Some(WireNode::default())),
            Err(Refusal::MissingNode)
        );
        let named = WireNode {
            id: "a".into(),
            ..WireNode::default()
        };
        assert_eq!(
            Node::identify(Some(named)).map(|node| node.id),
            Ok("a".into())
        );
    }

    #[test]
    fn what_a_node_says_of_itself_is_bounded() {
        let wire = WireNode {
            id: "é".repeat(513),
            ..WireNode::default()
        };
        let refusal = Node::identify(Some(wire)).unwrap_err();
        assert!(refusal.to_string().contains("`node.id` has 1026 bytes"));
        let wire = WireNode {
            id: "a".into(),
            user_agent_name: "é".repeat(1_000),
            ..WireNode::default()
        };
        let node = Node::identify(Some(wire)).unwrap();
        assert_eq!(node.user_agent, "é".repeat(128));
    }

    #[test]
    fn rule_35_ttl_is_for_those_who_announce_it() {
        let announcing = |features: &[&str]| {
            let client_features = features
                .iter()
                .map(|feature| (*feature).to_owned())
                .collect();
            let wire = WireNode {
                id: "a".into(),
                client_features,
                ..WireNode::default()
            };
            let node = Node::identify(Some(wire)).unwrap();
            (node.ttl, node.ttl_in_sotw)
        };
        assert_eq!(announcing(&[]), (false, false));
        assert_eq!(
            announcing(&["xds.config.supports-resource-ttl"]),
            (true, false)
        );
        let both = [
            "xds.config.supports-resource-ttl",
            "xds.config.resource-in-sotw",
        ];
        assert_eq!(announcing(&both), (true, true));
    }
}
