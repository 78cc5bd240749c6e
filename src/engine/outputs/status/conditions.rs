//! A condition: what both statuses say in the same form.

use fusegate_crds::Condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time as KubeTime;

use crate::breaker::time::{Now, Wall};
use crate::engine::state::State;
use crate::engine::state::kind::{KindEntry, RollbackState};
use crate::engine::state::policy::Rejection;
use crate::wire::event::GroupKind;

/// The longest message of a condition that we write; Kubernetes allows 32,768 bytes.
pub(super) const MAX_MESSAGE: usize = 4_096;

/// One condition, before it has a time.
pub(super) struct ConditionDraft {
    type_: &'static str,
    holds: bool,
    reason: String,
    message: String,
}

/// Why objects of a kind can't be judged, if they can't.
pub(super) fn unserved(state: &State, kind: &GroupKind) -> Option<Rejection> {
    let entry = state.kinds.get(kind);
    if !entry.is_some_and(KindEntry::is_served) {
        let repair = match entry.and_then(|entry| entry.crd.as_ref()) {
            Some(_) => "set `served: true` on a version of its CRD",
            None => "install its CRD, or enable the API that it belongs to",
        };
        return Some(Rejection {
            reason: "KindNotServed",
            message: format!("{kind} is not served; {repair}, and this heals by itself"),
        });
    }
    let interrupted = entry
        .filter(|entry| !entry.listed)
        .and_then(|entry| entry.interrupted.as_deref());
    interrupted.map(|why| Rejection {
        reason: "KindNotWatched",
        message: format!("{kind} can't be watched: {why}"),
    })
}

/// Why a policy of a namespace judges no object of a kind, if that is so.
pub(super) fn out_of_scope(state: &State, kind: &GroupKind, namespace: &str) -> Option<Rejection> {
    let own = &state.settings.namespace;
    let cluster_scoped = state.kinds.get(kind)?.cluster_scoped;
    (cluster_scoped && *namespace != **own).then(|| Rejection {
        reason: "ClusterScoped",
        message: format!(
            "{kind} is cluster-scoped, and only policies of fusegate's own namespace judge such kinds; \
             create this policy in namespace {own}"
        ),
    })
}

pub(super) fn rollback_blocked(state: &State, kind: &GroupKind) -> Option<ConditionDraft> {
    let said = match &state.kinds.get(kind)?.rollback {
        RollbackState::None => return None,
        RollbackState::Blocked { reason, message } => {
            draft("RollbackBlocked", true, reason, message.to_string())
        }
        RollbackState::Proposed { target } => draft(
            "RollbackBlocked",
            true,
            "Proposed",
            format!("the contract says Propose: apply revision {target} yourself"),
        ),
        RollbackState::Ordered { target, judged, .. } => {
            let judged = judged.map_or_else(String::new, |(judged, total)| {
                format!("; {judged} of about {total} objects have been judged")
            });
            let message = format!("rolling back to revision {target}{judged}");
            draft("RollbackBlocked", false, "UnderWay", message)
        }
        RollbackState::Contested { message } => {
            draft("RollbackBlocked", true, "Contested", message.to_string())
        }
        RollbackState::Done { target } => draft(
            "RollbackBlocked",
            false,
            "RolledBack",
            format!("the CRD was rolled back to revision {target}"),
        ),
    };
    Some(said)
}

/// Who brings a bad schema back again and again, if somebody does.
pub(super) fn rollback_contested(state: &State, kind: &GroupKind) -> Option<ConditionDraft> {
    let RollbackState::Contested { message } = &state.kinds.get(kind)?.rollback else {
        return None;
    };
    let message = message.to_string();
    Some(draft(
        "RollbackContested",
        true,
        "BroughtBackTwice",
        message,
    ))
}

pub(super) fn draft(
    type_: &'static str,
    holds: bool,
    reason: &str,
    message: String,
) -> ConditionDraft {
    ConditionDraft {
        type_,
        holds,
        reason: reason.to_owned(),
        message,
    }
}

/// Gives conditions their time: that of the last change of their status.
pub(super) fn settle(
    before: &[Condition],
    said: Vec<ConditionDraft>,
    generation: i64,
    now: Now,
) -> Vec<Condition> {
    said.into_iter()
        .map(|say| {
            let status = if say.holds { "True" } else { "False" };
            let known = before
                .iter()
                .find(|known| known.type_ == say.type_ && known.status == status);
            Condition {
                type_: say.type_.to_owned(),
                status: status.to_owned(),
                reason: say.reason,
                message: say.message.chars().take(MAX_MESSAGE).collect(),
                observed_generation: Some(generation),
                last_transition_time: known.map_or_else(
                    || kube_time(now.wall),
                    |known| known.last_transition_time.clone(),
                ),
            }
        })
        .collect()
}

fn kube_time(at: Wall) -> KubeTime {
    let second = k8s_openapi::jiff::Timestamp::from_second(at.0.div_euclid(1_000));
    KubeTime(second.unwrap_or(k8s_openapi::jiff::Timestamp::UNIX_EPOCH))
}

pub(super) fn as_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
