//! A migration of objects from one version to another: by Kubernetes itself, or by what there was before that.

use anyhow::{Context as _, Result};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::place::Place;
use crate::support::servers::apiserver::unique;

/// The CRD of the migrator that came before Kubernetes' own.
const MIGRATIONS: &str = "storageversionmigrations.migration.k8s.io";

/// Who migrates objects from one version to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Migrator {
    /// Kubernetes itself.
    BuiltIn,
    /// What there was before that.
    Before,
}

impl Migrator {
    const fn group(self) -> &'static str {
        match self {
            Self::BuiltIn => "storagemigration.k8s.io",
            Self::Before => "migration.k8s.io",
        }
    }
}

impl Place {
    /// Begins a migration of the objects, and answers its name; `None` where Kubernetes has none of its own.
    pub(super) async fn migrate(&self, migrator: Migrator) -> Result<Option<String>> {
        let group = migrator.group();
        if migrator == Migrator::Before {
            self.establish_migrations().await?;
        }
        let Some(migrations) = self.migrations(migrator).await? else {
            return Ok(None);
        };
        let name = unique("migration");
        let mut resource = json!({"group": self.group, "resource": "foos"});
        if migrator == Migrator::Before {
            resource["version"] = json!("v1");
        }
        let migration: DynamicObject = serde_json::from_value(json!({
            "apiVersion": format!("{group}/{}", migrations.1), "kind": "StorageVersionMigration",
            "metadata": {"name": name}, "spec": {"resource": resource},
        }))?;
        migrations
            .0
            .create(&PostParams::default(), &migration)
            .await?;
        Ok(Some(name))
    }

    pub(super) async fn end_migration(&self, migrator: Migrator, name: &str) -> Result<()> {
        let (migrations, _) = self.migrations(migrator).await?.context("not served")?;
        let status = json!({"status": {"conditions": [{
            "type": "Succeeded", "status": "True", "reason": "Done", "message": "",
            "lastTransitionTime": "2026-11-22T14:05:28Z",
        }]}});
        let params = PatchParams::default();
        migrations
            .patch_status(name, &params, &Patch::Merge(status))
            .await?;
        Ok(())
    }

    /// Brings the kind of the migrator that came before Kubernetes' own.
    async fn establish_migrations(&self) -> Result<()> {
        let crd: CustomResourceDefinition = serde_json::from_value(json!({
            "metadata": {"name": MIGRATIONS, "annotations": {
                "api-approved.kubernetes.io": "https://github.com/kubernetes/community/pull/2524",
            }},
            "spec": {
                "group": "migration.k8s.io", "scope": "Cluster",
                "names": {"kind": "StorageVersionMigration", "plural": "storageversionmigrations"},
                "versions": [{
                    "name": "v1alpha1", "served": true, "storage": true, "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                }],
            },
        }))?;
        self.server.establish(&crd).await
    }

    /// The migrations, and their version; `None` where they are not served.
    async fn migrations(&self, migrator: Migrator) -> Result<Option<(Api<DynamicObject>, String)>> {
        let groups = self.client.list_api_groups().await?.groups;
        let mut groups = groups.into_iter();
        let Some(group) = groups.find(|group| group.name == migrator.group()) else {
            return Ok(None);
        };
        let version = group.preferred_version.context("no version")?.version;
        let kind = GroupVersionKind::gvk(&group.name, &version, "StorageVersionMigration");
        let migrations = Api::all_with(self.client.clone(), &ApiResource::from_gvk(&kind));
        Ok(Some((migrations, version)))
    }
}
