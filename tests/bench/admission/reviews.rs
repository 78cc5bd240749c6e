//! Reviews in process: how long one takes, read, judged and answered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use fusegate::admission::guard::{Guard, Guards, Resource};
use fusegate::admission::review::{self, Outcome};
use fusegate::condition::contract::Contract;
use fusegate_crds::ConditionContractSpec;
use serde_json::{Value, json};

use crate::shop::conditions;

/// How many are measured, and of a large object.
const REVIEWS: usize = 50_000;
const LARGE_REVIEWS: usize = 1_000;

/// Measures legal and illegal reviews of a ten-key map, and one of a large object.
pub(crate) fn measure() -> Result<()> {
    let guards = guards()?;
    println!("one review in process:");
    println!("  {:<28} {:>8} {:>10} {:>10}", "", "bytes", "p50", "p99");
    for (name, illegal, parts, reviews) in [
        ("legal", false, 1, REVIEWS),
        ("illegal", true, 1, REVIEWS),
        ("legal, of a large object", false, 2_000, LARGE_REVIEWS),
    ] {
        let body = body(illegal, parts);
        let mut took = Vec::with_capacity(reviews);
        for _ in 0..reviews {
            let began = Instant::now();
            let reviewed = review::answer(&guards, "m", body.as_bytes())?;
            took.push(began.elapsed());
            ensure!(
                (reviewed.outcome == Outcome::Denied) == illegal,
                "{reviewed:?}"
            );
        }
        took.sort_unstable();
        let micros = |percent: usize| {
            let at = took.get(reviews * percent / 100).copied();
            at.unwrap_or(Duration::ZERO).as_secs_f64() * 1e6
        };
        println!(
            "  {name:<28} {:>8} {:>7.1} µs {:>7.1} µs",
            body.len(),
            micros(50),
            micros(99)
        );
    }
    Ok(())
}

fn guards() -> Result<Guards> {
    let mut spec: Value = serde_json::from_str(include_str!("../contract.json"))?;
    spec["admission"] = json!({"mode": "Deny"});
    let spec: ConditionContractSpec = serde_json::from_value(spec)?;
    let contract = Contract::try_new("storefronts.shop.example.com", &spec);
    let contract = contract
        .map_err(|problems| anyhow!("{problems:?}"))
        .context("the contract")?;
    let resource = Resource {
        group: "shop.example.com".into(),
        kind: "Storefront".into(),
        version: "v1".into(),
        plural: "storefronts".into(),
    };
    let guard = Guard::new(&contract, &spec, resource, Vec::new());
    Ok(Guards::new(
        "fusegate-system".into(),
        vec![Arc::new(guard)],
        "",
    ))
}

fn body(illegal: bool, parts: usize) -> String {
    let object = |conditions: Value| {
        json!({
            "apiVersion": "shop.example.com/v1", "kind": "Storefront",
            "metadata": {"name": "front", "namespace": "shop", "uid": "u-1", "resourceVersion": "7", "generation": 3},
            "spec": {"parts": (0..parts).map(|part| json!({"name": format!("part-{part}"), "image": "registry.example.com/shop:v1"})).collect::<Vec<_>>()},
            "status": {"conditions": conditions},
        })
    };
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "r-1", "kind": {"group": "shop.example.com", "version": "v1", "kind": "Storefront"},
            "resource": {"group": "shop.example.com", "version": "v1", "resource": "storefronts"}, "subResource": "status",
            "name": "front", "namespace": "shop", "operation": "UPDATE",
            "userInfo": {"username": "system:serviceaccount:shop:operator", "groups": ["system:serviceaccounts", "system:authenticated"]},
            "object": object(conditions(2, illegal)), "oldObject": object(conditions(1, false)), "dryRun": false,
            "options": {"kind": "PatchOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    })
    .to_string()
}
