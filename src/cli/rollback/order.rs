//! The order: what a person asks for, as the engine would order it.

use fusegate_crds::ConditionContract;
use kube::ResourceExt as _;
use serde_json::Value;

use crate::cli::definition::Undefined;
use crate::cli::rollback::RollbackFailure;
use crate::cli::store::Store;
use crate::revision;
use crate::revision::decide::previous;
use crate::wire::effect::{Rollback, Target};
use crate::wire::event::Revision;

/// The order to go back to a revision; `None` when its schema is live.
pub(super) async fn order(
    store: &Store,
    crd: &str,
    to: Option<u64>,
    now: i64,
) -> Result<Option<Rollback>, RollbackFailure> {
    let live = store.live(crd).await?;
    let live = live.ok_or_else(|| Undefined::NotLive(crd.to_owned()))?;
    let spec = live.get("spec").cloned().unwrap_or_default();
    let hash = revision::hash(&spec);
    let revisions = store.revisions(crd).await?;
    let target = target(crd, to, &revisions, &hash)?;
    if *target.hash == *hash {
        return Ok(None);
    }
    // In a directory the name is the identity, and its hash is on every revision.
    let uid = live.pointer("/metadata/uid").and_then(Value::as_str);
    let uid: Box<str> = uid.unwrap_or(&target.crd_uid).into();
    let contract = contract(store, crd, &spec).await?;
    let known = revisions.iter().find(|revision| *revision.hash == *hash);
    let unknown = || Revision {
        crd: crd.into(),
        crd_uid: uid.clone(),
        number: revisions.last().map_or(0, |last| last.number) + 1,
        hash: hash.clone().into(),
        seen_at: now,
        bad: None,
        spec: spec.into(),
    };
    let bad = known.cloned().unwrap_or_else(unknown);
    let rollback = contract.spec.rollback.clone();
    let cooldown = rollback.cooldown.millis();
    Ok(Some(Rollback {
        incident: revision::incident(&uid, &hash).into(),
        trip: format!("by-person-{now}").into(),
        crd: named(crd, uid),
        contract: named(
            &contract.name_any(),
            contract.uid().unwrap_or_default().into(),
        ),
        bad,
        target: target.clone(),
        owners: rollback.owners,
        cooldown: cooldown.map_err(|invalid| {
            RollbackFailure::Unreadable(format!("spec.rollback.cooldown: {invalid}"))
        })?,
        by_person: true,
        shard: None,
        at: now,
    }))
}

fn named(name: &str, uid: Box<str>) -> Target {
    Target {
        namespace: "".into(),
        name: name.into(),
        uid,
    }
}

fn target<'a>(
    crd: &str,
    to: Option<u64>,
    revisions: &'a [Revision],
    live: &str,
) -> Result<&'a Revision, RollbackFailure> {
    let Some(number) = to else {
        let none = || RollbackFailure::NoTarget(crd.to_owned());
        return previous(revisions, live).ok_or_else(none);
    };
    let found = revisions.iter().find(|revision| revision.number == number);
    let found = found.ok_or_else(|| Undefined::NoRevision {
        crd: crd.to_owned(),
        number,
    })?;
    match &found.bad {
        Some(trip) if *found.hash != *live => Err(RollbackFailure::MarkedBad {
            crd: crd.to_owned(),
            number,
            trip: trip.to_string(),
        }),
        _ => Ok(found),
    }
}

async fn contract(
    store: &Store,
    crd: &str,
    spec: &Value,
) -> Result<ConditionContract, RollbackFailure> {
    let text = |pointer| {
        spec.pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (group, kind) = (text("/group"), text("/names/kind"));
    for object in store.contracts().await? {
        let target = |field| {
            object
                .pointer("/spec/target")
                .and_then(|it| it.get(field)?.as_str())
        };
        if target("group") == Some(group) && target("kind") == Some(kind) {
            let contract = serde_json::from_value(object.clone());
            return contract.map_err(|error| {
                RollbackFailure::Unreadable(format!("the ConditionContract of {kind}: {error}"))
            });
        }
    }
    Err(RollbackFailure::NoContract {
        kind: kind.to_owned(),
        crd: crd.to_owned(),
    })
}
