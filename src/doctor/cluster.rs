//! The cluster: what fusegate's own objects, its lease and its rights say.

use fusegate_crds::Condition;

use crate::doctor::finding::{Finding, Severity};

/// Conditions of fusegate's own objects that say what is wrong, and the status in which they do.
const CONDITIONS: &[(&str, &str, &str, Severity, &str)] = &[
    (
        "Accepted",
        "False",
        "NotAccepted",
        Severity::Critical,
        "mend the object; the version before stays in force, if there was one",
    ),
    (
        "AdmissionReady",
        "False",
        "AdmissionNotReady",
        Severity::Critical,
        "illegal writes are stored until it is; docs/admission.md explains each reason",
    ),
    (
        "RollbackContested",
        "True",
        "RollbackContested",
        Severity::Critical,
        "see docs/runbooks/CircuitBreakerRollbackContested.md: stop who brings the schema back",
    ),
    (
        "RollbackBlocked",
        "True",
        "RollbackBlocked",
        Severity::Warning,
        "see docs/runbooks/RollbackBlocked.md: what stands between is named",
    ),
    (
        "SchemaLint",
        "True",
        "SchemaUnguarded",
        Severity::Warning,
        "`fusegate lint CRD@live` shows each place and the patch",
    ),
    (
        "Degraded",
        "True",
        "Degraded",
        Severity::Warning,
        "the condition says which part of the policy is not in force",
    ),
    (
        "ClockSkew",
        "True",
        "ClockSkew",
        Severity::Warning,
        "set the clock of the node that reports, or fusegate's",
    ),
];

/// A lease as it stands.
#[derive(Clone, Debug, Default)]
pub struct Holder<'a> {
    /// Who holds it.
    pub name: Option<&'a str>,
    /// Seconds since it was renewed.
    pub renewed: Option<f64>,
    /// Seconds for which it is held.
    pub held_for: f64,
}

/// A right that fusegate's account needs.
#[derive(Clone, Debug)]
pub struct Right {
    /// What is done.
    pub verb: &'static str,
    /// The API group.
    pub group: String,
    /// The resource, with a subresource after a slash.
    pub resource: String,
}

/// What the conditions of a contract or policy say.
#[must_use]
pub fn conditions(about: &str, all: &[Condition]) -> Vec<Finding> {
    let found = all.iter().filter_map(|condition| {
        let wrong =
            |row: &&(&str, &str, _, _, _)| row.0 == condition.type_ && row.1 == condition.status;
        let (_, _, code, severity, advice) = CONDITIONS.iter().find(wrong)?;
        let message = format!("{}: {}", condition.reason, condition.message);
        Some(Finding::new(*severity, code, about, message, advice))
    });
    found.collect()
}

/// What is wrong with one of fusegate's CRDs, by whether it is there and has the versions and schemas of this version.
#[must_use]
pub fn crd(name: &str, current: Option<bool>) -> Option<Finding> {
    let advice = "`fusegate crds | kubectl apply --server-side -f -` brings it up to this version";
    match current {
        None => Some(Finding::new(
            Severity::Critical,
            "CrdMissing",
            name,
            "it is not installed".to_owned(),
            advice,
        )),
        Some(false) => Some(Finding::new(
            Severity::Warning,
            "CrdDiffers",
            name,
            "its schema is not that of this version".to_owned(),
            advice,
        )),
        Some(true) => None,
    }
}

/// What is wrong with the lease.
#[must_use]
pub fn holder(about: &str, holder: Option<&Holder<'_>>) -> Option<Finding> {
    let advice = "circuits trip, but nothing is written and none closes; look at the pods, their logs, and their right to write leases";
    let find = |message| {
        Some(Finding::new(
            Severity::Critical,
            "LeaseNotHeld",
            about,
            message,
            advice,
        ))
    };
    let Some(holder) = holder else {
        return find("there is no such lease: no replica has ever led here".to_owned());
    };
    let Some(name) = holder.name else {
        return find("nobody holds it".to_owned());
    };
    let renewed = holder.renewed.unwrap_or(f64::INFINITY);
    if renewed > holder.held_for {
        return find(format!("{name} has not renewed it for {renewed:.0} s"));
    }
    None
}

/// That a right is missing, and the rule that gives it.
#[must_use]
pub fn right(account: &str, right: &Right) -> Finding {
    let Right {
        verb,
        group,
        resource,
    } = right;
    let message = format!(
        r#"it may not {verb} {resource}: add {{apiGroups: ["{group}"], resources: ["{resource}"], verbs: ["{verb}"]}} to its ClusterRole"#
    );
    Finding::new(
        Severity::Critical,
        "RightMissing",
        account,
        message,
        "the chart grants it: the kinds of contracts are listed in its value rbac.contractedKinds, the rest is in templates/rbac.yaml",
    )
}
