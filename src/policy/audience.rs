//! An audience: the layers that a proxy may have, by the names in its certificate.

use std::collections::BTreeSet;

/// A certificate for `shop.layers.fusegate.io` may have the layers of the namespace `shop`,
/// and one for `*.layers.fusegate.io` those of all.
const DOMAIN: &str = ".layers.fusegate.io";

/// The layers that a proxy may have, by the names in its certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    all: bool,
    namespaces: BTreeSet<Box<str>>,
}

impl Audience {
    /// Reads the names: URIs such as `spiffe://example.com/ns/shop/sa/edge`, of any trust domain, since the authority that
    /// signed them was chosen for this, and DNS names such as `shop.layers.fusegate.io`.
    pub fn of<'a>(
        uris: impl IntoIterator<Item = &'a str>,
        dns_names: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut audience = Self::default();
        let by_uri = uris.into_iter().filter_map(namespace_of_uri);
        let by_dns = dns_names
            .into_iter()
            .filter_map(|name| name.strip_suffix(DOMAIN));
        for namespace in by_uri.chain(by_dns) {
            match namespace {
                "*" => audience.all = true,
                "" => {}
                namespace => {
                    audience.namespaces.insert(namespace.into());
                }
            }
        }
        audience
    }

    /// Whether it may have a layer: that of one of its namespaces, or one of theirs with a suffix.
    pub fn may_have(&self, layer: &str) -> bool {
        let namespace = layer.split('.').next().unwrap_or_default();
        self.all || self.namespaces.contains(namespace)
    }
}

/// The namespace in `spiffe://<domain>/ns/<namespace>`, and whatever follows. A wildcard is for DNS names only.
fn namespace_of_uri(uri: &str) -> Option<&str> {
    let (_domain, path) = uri.strip_prefix("spiffe://")?.split_once('/')?;
    let namespace = path.strip_prefix("ns/")?.split('/').next()?;
    (namespace != "*").then_some(namespace)
}

#[cfg(test)]
mod tests {
    use super::Audience;

    fn check(uris: &[&str], dns_names: &[&str], layer: &str) -> bool {
        Audience::of(uris.iter().copied(), dns_names.iter().copied()).may_have(layer)
    }

    #[test]
    fn a_spiffe_id_names_its_namespace() {
        let shop = &["spiffe://example.com/ns/shop/sa/edge"];
        for layer in ["shop", "shop.canary", "shop.conditions"] {
            assert!(check(shop, &[], layer), "{layer}");
        }
        for layer in ["bank", "shopping", "sho", "", "bank.shop"] {
            assert!(!check(shop, &[], layer), "{layer}");
        }
        assert!(check(&["spiffe://a/ns/bank", shop[0]], &[], "bank"));
    }

    #[test]
    fn a_dns_name_names_one_namespace_or_all() {
        assert!(check(&[], &["shop.layers.fusegate.io"], "shop"));
        assert!(!check(&[], &["shop.layers.fusegate.io"], "bank"));
        assert!(check(&[], &["*.layers.fusegate.io"], "bank"));
    }

    #[test]
    fn other_names_name_nothing() {
        for uri in [
            "spiffe://example.com/ns/*/sa/edge",
            "spiffe://example.com/ns//sa/edge",
            "spiffe://example.com/sa/ns/shop",
            "spiffe://ns/shop",
            "https://example.com/ns/shop",
        ] {
            for layer in ["shop", "", "*"] {
                assert!(!check(&[uri], &[], layer), "{uri} {layer}");
            }
        }
        for name in [".layers.fusegate.io", "a.shop.layers.fusegate.io", "shop"] {
            assert!(!check(&[], &[name], "shop"), "{name}");
        }
    }
}
