//! An owner: a tool that keeps re-applying a CRD from elsewhere, so that whoever changes the CRD in
//! the cluster starts a fight it will lose.
//!
//! Kubernetes records who wrote which fields (`metadata.managedFields`), and the tools leave labels
//! and annotations of their own. People and one-off tools (`kubectl`, `helm`) own nothing in this sense.

/// A tool that reconciles from a source of truth outside the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Argo CD.
    ArgoCd,
    /// Flux: its kustomize and helm controllers.
    Flux,
    /// Crossplane's package manager, which re-applies every few minutes.
    Crossplane,
    /// The Operator Lifecycle Manager.
    Olm,
    /// kapp-controller.
    Kapp,
    /// Rancher Fleet.
    Fleet,
    /// Config Sync.
    ConfigSync,
    /// Sveltos.
    Sveltos,
}

impl Owner {
    /// The CamelCase reason of a rollback that this owner stands in the way of.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::ArgoCd => "OwnedByArgoCD",
            Self::Flux => "OwnedByFlux",
            Self::Crossplane => "OwnedByCrossplane",
            Self::Olm => "OwnedByOLM",
            Self::Kapp => "OwnedByKapp",
            Self::Fleet => "OwnedByFleet",
            Self::ConfigSync => "OwnedByConfigSync",
            Self::Sveltos => "OwnedBySveltos",
        }
    }

    /// What stands in the way of rolling `crd` back to revision `target`, and what to do instead.
    #[must_use]
    pub fn message(self, crd: &str, target: u64) -> String {
        format!(
            "{crd} is applied by {}, which would bring the present schema back; \
             restore the schema of revision {target} at its source",
            self.name()
        )
    }

    const fn name(self) -> &'static str {
        match self {
            Self::ArgoCd => "Argo CD",
            Self::Flux => "Flux",
            Self::Crossplane => "Crossplane",
            Self::Olm => "the Operator Lifecycle Manager",
            Self::Kapp => "kapp-controller",
            Self::Fleet => "Fleet",
            Self::ConfigSync => "Config Sync",
            Self::Sveltos => "Sveltos",
        }
    }
}

/// The owner that a CRD's field managers and the keys of its labels and annotations reveal.
#[must_use]
pub fn owner<'a>(
    managers: impl IntoIterator<Item = &'a str>,
    marks: impl IntoIterator<Item = &'a str>,
) -> Option<Owner> {
    managers
        .into_iter()
        .find_map(by_manager)
        .or_else(|| marks.into_iter().find_map(by_mark))
}

/// The start of a manager's name, in lower case. Client-side writers appear under their program's name.
const MANAGERS: &[(&str, Owner)] = &[
    ("argocd", Owner::ArgoCd),
    ("argo-cd", Owner::ArgoCd),
    ("kustomize-controller", Owner::Flux),
    ("helm-controller", Owner::Flux),
    ("flux", Owner::Flux),
    ("gotk-", Owner::Flux),
    ("crossplane", Owner::Crossplane),
    ("apiextensions.crossplane.io", Owner::Crossplane),
    ("pkg.crossplane.io", Owner::Crossplane),
    ("olm", Owner::Olm),
    ("operator-controller", Owner::Olm),
    ("kapp-controller", Owner::Kapp),
    ("fleetagent", Owner::Fleet),
    ("fleet-agent", Owner::Fleet),
    ("configsync", Owner::ConfigSync),
    ("config-sync", Owner::ConfigSync),
    ("sveltos", Owner::Sveltos),
];

/// The start of a label's or annotation's key.
/// `app.kubernetes.io/instance` isn't among them: plain Helm charts set it too.
const MARKS: &[(&str, Owner)] = &[
    ("argocd.argoproj.io/tracking-id", Owner::ArgoCd),
    ("argocd.argoproj.io/instance", Owner::ArgoCd),
    ("kustomize.toolkit.fluxcd.io/name", Owner::Flux),
    ("helm.toolkit.fluxcd.io/name", Owner::Flux),
    ("olm.managed", Owner::Olm),
    ("kapp.k14s.io/app", Owner::Kapp),
    ("objectset.rio.cattle.io/hash", Owner::Fleet),
    ("configmanagement.gke.io/managed", Owner::ConfigSync),
];

fn by_manager(manager: &str) -> Option<Owner> {
    find(MANAGERS, &manager.to_ascii_lowercase())
}

fn by_mark(mark: &str) -> Option<Owner> {
    find(MARKS, mark)
}

fn find(known: &[(&str, Owner)], name: &str) -> Option<Owner> {
    let (_, owner) = known.iter().find(|(start, _)| name.starts_with(start))?;
    Some(*owner)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&["argocd-controller"], &[], Some(Owner::ArgoCd))]
    #[case(&["kubectl-client-side-apply", "kustomize-controller"], &[], Some(Owner::Flux))]
    #[case(&["kubectl"], &["argocd.argoproj.io/tracking-id"], Some(Owner::ArgoCd))]
    #[case(&["Helm"], &["app.kubernetes.io/instance"], None)]
    #[case(&["kubectl", "helm", "fusegate", "integration-test"], &[], None)]
    #[case(&[], &[], None)]
    fn only_a_tool_that_reapplies_owns_a_crd(
        #[case] managers: &[&str],
        #[case] marks: &[&str],
        #[case] expected: Option<Owner>,
    ) {
        let found = owner(managers.iter().copied(), marks.iter().copied());
        assert_eq!(found, expected);
    }
}
