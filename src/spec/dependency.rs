//! A dependency: the policies that a policy's `dependsOn` names, and where that leads back to it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use fusegate_crds::{CircuitPolicySpec, Dependency};

/// Namespace and name of a policy.
pub type Name = (Arc<str>, Arc<str>);

/// The policies that a policy names.
pub fn named(spec: &CircuitPolicySpec, own: &Arc<str>) -> Vec<Name> {
    let key = |Dependency { name, namespace }: &Dependency| {
        let namespace = namespace.as_deref().map_or_else(|| own.clone(), Into::into);
        (namespace, name.as_str().into())
    };
    spec.depends_on.iter().map(key).collect()
}

/// What is wrong where a policy depends on itself: the shortest way that leads back to it.
pub fn circle(key: &Name, named_by: impl Fn(&Name) -> Vec<Name>) -> Option<String> {
    let mut came_from: BTreeMap<Name, Name> = BTreeMap::new();
    let mut open = VecDeque::from([key.clone()]);
    while let Some(from) = open.pop_front() {
        for to in named_by(&from) {
            if to == *key {
                let mut way = vec![to, from.clone()];
                let mut at = &from;
                while let Some(before) = came_from.get(at) {
                    way.push(before.clone());
                    at = before;
                }
                way.reverse();
                let names = way
                    .iter()
                    .map(|(namespace, name)| format!("{namespace}/{name}"));
                let way = names.collect::<Vec<_>>().join(" → ");
                return Some(format!(
                    "spec.dependsOn leads back to this policy: {way}; none of them inhibits itself, remove one of these"
                ));
            }
            if !came_from.contains_key(&to) {
                came_from.insert(to.clone(), from.clone());
                open.push_back(to);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Name {
        ("shop".into(), name.into())
    }

    /// `a` names `b` and `x`, `b` names `c`, `c` names `a`, `x` names itself and `c`.
    fn named_by((_, from): &Name) -> Vec<Name> {
        let named: &[&str] = match &**from {
            "a" => &["x", "b"],
            "b" => &["c"],
            "c" => &["a"],
            "x" => &["x", "c"],
            _ => &[],
        };
        named.iter().map(|to| name(to)).collect()
    }

    #[test]
    fn the_shortest_way_back_is_told() {
        let way = |from: &str| circle(&name(from), named_by).unwrap_or_default();
        assert!(
            way("a").contains("shop/a → shop/x → shop/c → shop/a;"),
            "{}",
            way("a")
        );
        assert!(way("x").contains("shop/x → shop/x;"), "{}", way("x"));
        assert_eq!(way("alone"), "");
        // What merely leads to a circle is in none.
        assert_eq!(
            circle(&name("outside"), |from| {
                if *from == name("outside") {
                    vec![name("a")]
                } else {
                    named_by(from)
                }
            }),
            None
        );
    }
}
