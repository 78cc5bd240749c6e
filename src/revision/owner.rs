//! An owner: a tool that keeps re-applying a CRD from elsewhere, so that whoever changes the CRD in
//! the cluster starts a fight it will lose.
//!
//! Kubernetes records who wrote which fields (`metadata.managedFields`), and the tools leave labels
//! and annotations of their own. People and one-off tools such as `kubectl` own nothing in this sense.

use fusegate_crds::RollbackOwner;

/// An owner, and what gave it away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The tool.
    pub owner: RollbackOwner,
    /// Its field manager, or its label or annotation.
    mark: String,
}

/// The first owner of a CRD that the contract doesn't name, by who wrote its spec and by its labels and annotations.
#[must_use]
pub fn refusing<'a>(
    managers: impl IntoIterator<Item = &'a str>,
    marks: impl IntoIterator<Item = (&'a str, &'a str)>,
    allowed: &[RollbackOwner],
) -> Option<Owned> {
    let by_manager = managers.into_iter().filter_map(|manager| {
        let owner = find(MANAGERS, &manager.to_ascii_lowercase())?;
        Some(owned(owner, format!("field manager {manager}")))
    });
    let marks: Vec<_> = marks.into_iter().collect();
    let is_helm = marks.contains(&(MANAGED_BY, "Helm"));
    let by_mark = marks.into_iter().filter_map(|(key, value)| {
        let owner = match key {
            MANAGED_BY if value == "Helm" => RollbackOwner::Helm,
            // Charts set it too.
            INSTANCE if !is_helm => RollbackOwner::ArgoCd,
            _ => find(MARKS, key)?,
        };
        Some(owned(owner, format!("{key}: {value}")))
    });
    let mut found = by_manager.chain(by_mark);
    found.find(|found| !allowed.contains(&found.owner))
}

fn owned(owner: RollbackOwner, mark: String) -> Owned {
    Owned { owner, mark }
}

impl Owned {
    /// The CamelCase reason of a rollback that this owner stands in the way of.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self.owner {
            RollbackOwner::ArgoCd => "OwnedByArgoCD",
            RollbackOwner::Flux => "OwnedByFlux",
            RollbackOwner::Helm => "OwnedByHelm",
            RollbackOwner::Crossplane => "OwnedByCrossplane",
            RollbackOwner::Olm => "OwnedByOLM",
            RollbackOwner::Kapp => "OwnedByKapp",
            RollbackOwner::Fleet => "OwnedByFleet",
            RollbackOwner::ConfigSync => "OwnedByConfigSync",
            RollbackOwner::Sveltos => "OwnedBySveltos",
        }
    }

    /// What stands in the way of rolling `crd` back to revision `target`, and what to do instead.
    #[must_use]
    pub fn message(&self, crd: &str, target: u64) -> String {
        let (name, mark, reason) = (self.name(), &self.mark, self.reason());
        let written = reason.trim_start_matches("OwnedBy");
        format!(
            "{crd} is applied by {name} ({mark}), which would bring the present schema back; restore the schema of \
             revision {target} at its source, or list {written} in the contract's spec.rollback.owners"
        )
    }

    const fn name(&self) -> &'static str {
        match self.owner {
            RollbackOwner::ArgoCd => "Argo CD",
            RollbackOwner::Flux => "Flux",
            RollbackOwner::Helm => "Helm",
            RollbackOwner::Crossplane => "Crossplane",
            RollbackOwner::Olm => "the Operator Lifecycle Manager",
            RollbackOwner::Kapp => "kapp-controller",
            RollbackOwner::Fleet => "Fleet",
            RollbackOwner::ConfigSync => "Config Sync",
            RollbackOwner::Sveltos => "Sveltos",
        }
    }
}

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The label by which Argo CD tracks what it applies, unless it is told otherwise. A client-side sync leaves no other trace.
const INSTANCE: &str = "app.kubernetes.io/instance";

/// The start of a manager's name, in lower case. Client-side writers appear under their program's name.
const MANAGERS: &[(&str, RollbackOwner)] = &[
    ("argocd", RollbackOwner::ArgoCd),
    ("argo-cd", RollbackOwner::ArgoCd),
    ("kustomize-controller", RollbackOwner::Flux),
    ("helm-controller", RollbackOwner::Flux),
    ("flux", RollbackOwner::Flux),
    ("gotk-", RollbackOwner::Flux),
    ("helm", RollbackOwner::Helm),
    ("crossplane", RollbackOwner::Crossplane),
    ("apiextensions.crossplane.io", RollbackOwner::Crossplane),
    ("pkg.crossplane.io", RollbackOwner::Crossplane),
    ("olm", RollbackOwner::Olm),
    ("operator-controller", RollbackOwner::Olm),
    ("kapp-controller", RollbackOwner::Kapp),
    ("fleetagent", RollbackOwner::Fleet),
    ("fleet-agent", RollbackOwner::Fleet),
    ("configsync", RollbackOwner::ConfigSync),
    ("config-sync", RollbackOwner::ConfigSync),
    ("sveltos", RollbackOwner::Sveltos),
];

/// The start of a label's or annotation's key.
const MARKS: &[(&str, RollbackOwner)] = &[
    ("argocd.argoproj.io/tracking-id", RollbackOwner::ArgoCd),
    ("argocd.argoproj.io/instance", RollbackOwner::ArgoCd),
    ("kustomize.toolkit.fluxcd.io/name", RollbackOwner::Flux),
    ("helm.toolkit.fluxcd.io/name", RollbackOwner::Flux),
    ("meta.helm.sh/release-name", RollbackOwner::Helm),
    ("olm.managed", RollbackOwner::Olm),
    ("kapp.k14s.io/app", RollbackOwner::Kapp),
    ("objectset.rio.cattle.io/hash", RollbackOwner::Fleet),
    ("configmanagement.gke.io/managed", RollbackOwner::ConfigSync),
];

fn find(known: &[(&str, RollbackOwner)], name: &str) -> Option<RollbackOwner> {
    let (_, owner) = known.iter().find(|(start, _)| name.starts_with(start))?;
    Some(*owner)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&["argocd-controller"], &[], "OwnedByArgoCD")]
    #[case(&["kubectl-client-side-apply", "kustomize-controller"], &[], "OwnedByFlux")]
    #[case(&["kubectl"], &[("argocd.argoproj.io/tracking-id", "a")], "OwnedByArgoCD")]
    #[case(&["kubectl"], &[("app.kubernetes.io/instance", "a")], "OwnedByArgoCD")]
    #[case(&["Helm"], &[], "OwnedByHelm")]
    #[case(&["kubectl"], &[("app.kubernetes.io/instance", "a"), ("app.kubernetes.io/managed-by", "Helm")], "OwnedByHelm")]
    #[case(&["crossplane"], &[], "OwnedByCrossplane")]
    #[case(&["kubectl", "fusegate", "integration-test"], &[("app.kubernetes.io/managed-by", "hand")], "")]
    #[case(&[], &[], "")]
    fn only_a_tool_that_reapplies_owns_a_crd(
        #[case] managers: &[&str],
        #[case] marks: &[(&str, &str)],
        #[case] expected: &str,
    ) {
        let found = refusing(managers.iter().copied(), marks.iter().copied(), &[]);
        assert_eq!(found.map_or("", |found| found.reason()), expected);
    }

    #[test]
    fn an_owner_that_the_contract_names_stands_in_nobodys_way() {
        let found = |allowed: &[RollbackOwner]| {
            let managers = ["argocd-controller", "helm"];
            let found = refusing(managers, [], allowed);
            found.map(|found| found.message("foos.example.com", 3))
        };
        let message = found(&[RollbackOwner::ArgoCd]).unwrap();
        assert!(
            message.contains("by Helm (field manager helm)"),
            "{message}"
        );
        assert!(message.contains("list Helm in"), "{message}");
        assert_eq!(found(&[RollbackOwner::Helm, RollbackOwner::ArgoCd]), None);
    }
}
