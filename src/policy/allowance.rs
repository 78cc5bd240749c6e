//! An allowance: what a contract lets the policies of a namespace touch in the mesh.
//!
//! Nothing is allowed unless listed. The patterns are the platform team's, and they
//! are text: with `{namespace}-*`, a namespace `shop` may touch `shop-eu-web`, which
//! a namespace `shop-eu` may touch as well. Choose cluster names so that no
//! namespace's prefix is the start of another's, or list clusters without `*`.

use crate::policy::template::{InvalidTemplate, Template};

/// Runtime keys that no switch may set, whatever a contract lists: they are
/// fusegate's own words, or Envoy's for the whole process.
const RESERVED: &[&str] = &[
    "upstream.",
    "circuit_breakers.",
    "outlier_detection.",
    "fusegate.",
    "envoy.",
    "re2.",
    "overload.",
    "fault.",
];

/// Cluster and runtime patterns of one contract.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    clusters: Vec<Pattern>,
    runtime: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    text: Template,
    prefix: bool,
}

impl Allowance {
    /// From `spec.mesh.clusters` (exact, or a prefix before a trailing `*`) and
    /// `spec.mesh.runtime` (always prefixes). Names the pattern that can't be read.
    pub fn try_new(
        clusters: &[String],
        runtime: &[String],
    ) -> Result<Self, (String, InvalidTemplate)> {
        let read = |text: &String, prefix| {
            Pattern::try_new(text, prefix).map_err(|invalid| (text.clone(), invalid))
        };
        Ok(Self {
            clusters: clusters
                .iter()
                .map(|text| read(text, false))
                .collect::<Result<_, _>>()?,
            runtime: runtime
                .iter()
                .map(|text| read(text, true))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether policies of `namespace` may shed `cluster`, for an object called `name`.
    pub fn allows_cluster(&self, namespace: &str, name: &str, cluster: &str) -> bool {
        self.clusters
            .iter()
            .any(|pattern| pattern.matches(namespace, name, cluster))
    }

    /// Whether policies of `namespace` may set the runtime key `key`, for an object called `name`.
    pub fn allows_runtime(&self, namespace: &str, name: &str, key: &str) -> bool {
        !RESERVED.iter().any(|reserved| key.starts_with(reserved))
            && self
                .runtime
                .iter()
                .any(|pattern| pattern.matches(namespace, name, key))
    }
}

impl Pattern {
    fn try_new(text: &str, prefix: bool) -> Result<Self, InvalidTemplate> {
        let (text, starred) = text
            .strip_suffix('*')
            .map_or((text, false), |text| (text, true));
        Ok(Self {
            text: Template::try_new(text)?,
            prefix: prefix || starred,
        })
    }

    fn matches(&self, namespace: &str, name: &str, text: &str) -> bool {
        let pattern = self.text.render(namespace, name);
        if self.prefix {
            text.starts_with(&pattern)
        } else {
            text == pattern
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn allowance() -> Allowance {
        let clusters = ["{namespace}-*".to_owned(), "legacy".to_owned()];
        Allowance::try_new(
            &clusters,
            &["routing.{namespace}.".to_owned(), "upstream.".to_owned()],
        )
        .unwrap()
    }

    #[rstest]
    #[case("shop-checkout", true)]
    #[case("legacy", true)]
    #[case("legacy-2", false)]
    #[case("bank-checkout", false)]
    #[case("", false)]
    fn a_cluster_is_allowed_by_pattern(#[case] cluster: &str, #[case] allowed: bool) {
        assert_eq!(
            allowance().allows_cluster("shop", "checkout", cluster),
            allowed
        );
    }

    #[rstest]
    #[case("routing.shop.canary", true)]
    #[case("routing.bank.canary", false)]
    #[case("upstream.maintenance_mode.shop-checkout", false)]
    fn a_runtime_key_is_allowed_by_prefix_and_never_when_reserved(
        #[case] key: &str,
        #[case] allowed: bool,
    ) {
        assert_eq!(allowance().allows_runtime("shop", "checkout", key), allowed);
    }

    #[test]
    fn nothing_is_allowed_unless_listed() {
        assert!(!Allowance::default().allows_cluster("shop", "checkout", "shop-checkout"));
    }
}
