//! The contracts that come with fusegate: the files of `deploy/contracts`, as they were when it was built.

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shipped {
    /// The contract's name, which is also that of its file.
    pub(super) name: &'static str,
    /// The contract, and a policy to begin with, as YAML.
    pub(super) text: &'static str,
}

macro_rules! shipped {
    ($($name:literal,)*) => {
        [$(Shipped {
            name: $name,
            text: include_str!(concat!("../../../deploy/contracts/", $name, ".yaml")),
        }),*]
    };
}

/// All of them, by name.
pub(super) fn all() -> impl Iterator<Item = Shipped> {
    shipped![
        "apiservices.apiregistration.k8s.io",
        "applications.argoproj.io",
        "backupstoragelocations.velero.io",
        "canaries.flagger.app",
        "cephclusters.ceph.rook.io",
        "certificates.cert-manager.io",
        "clusterqueues.kueue.x-k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "deployments.apps",
        "externalsecrets.external-secrets.io",
        "gateways.gateway.networking.k8s.io",
        "helmreleases.helm.toolkit.fluxcd.io",
        "horizontalpodautoscalers.autoscaling",
        "httproutes.gateway.networking.k8s.io",
        "istios.sailoperator.io",
        "jobs.batch",
        "kafkas.kafka.strimzi.io",
        "kustomizations.kustomize.toolkit.fluxcd.io",
        "machines.cluster.x-k8s.io",
        "nodes",
        "pipelineruns.tekton.dev",
        "poddisruptionbudgets.policy",
        "pods",
        "prometheuses.monitoring.coreos.com",
        "providers.pkg.crossplane.io",
        "rollouts.argoproj.io",
        "scaledobjects.keda.sh",
        "schedules.velero.io",
        "services.serving.knative.dev",
        "volumes.longhorn.io",
    ]
    .into_iter()
}

impl Shipped {
    /// The kind that it is for.
    pub(super) fn kind(self) -> &'static str {
        let (_, target) = self
            .text
            .split_once("kind: ConditionContract")
            .unwrap_or_default();
        let (_, kind) = target.split_once("kind: ").unwrap_or_default();
        let end = kind.find(['}', ',', '\n']).unwrap_or(kind.len());
        kind.get(..end).unwrap_or_default().trim()
    }

    /// What it is for, in a sentence: the comment that it begins with.
    pub(super) fn about(self) -> &'static str {
        let first = self.text.lines().next().unwrap_or_default();
        first.trim_start_matches('#').trim()
    }

    /// Whether this is its kind, plural or group.
    pub(super) fn is_called(self, name: &str) -> bool {
        let (plural, group) = self.name.split_once('.').unwrap_or((self.name, ""));
        let names = [self.kind(), plural, group];
        names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use fusegate_crds::ConditionContractSpec;
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_file_of_the_folder_is_among_them() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/contracts");
        let mut files: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let known: Vec<String> = all().map(|each| format!("{}.yaml", each.name)).collect();
        assert_eq!(known, files, "list the file's name in `all`");
    }

    #[test]
    fn each_holds_the_contract_of_its_name_and_says_what_it_is_for() {
        for each in all() {
            let documents: Vec<Value> = serde_saphyr::from_multiple(each.text).unwrap();
            let contract = &documents[0];
            assert_eq!(contract["kind"], "ConditionContract", "{}", each.name);
            assert_eq!(contract["metadata"]["name"], each.name);
            let spec: ConditionContractSpec =
                serde_json::from_value(contract["spec"].clone()).unwrap();
            assert_eq!(spec.target.kind.as_str(), each.kind());
            assert_eq!(documents[1]["kind"], "CircuitPolicy", "{}", each.name);
            assert!(
                each.about().ends_with('.'),
                "{}: {}",
                each.name,
                each.about()
            );
        }
    }
}
