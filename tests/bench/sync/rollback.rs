//! A rollback over all objects: every check that a person's `fusegate rollback --dry-run` makes, and what that takes.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::footprint::Footprint;
use crate::harness::support::fusegate::program;
use crate::harness::support::wait::pace;
use crate::kind::STOREFRONTS;
use crate::shop::Shop;
use crate::{ASK_EVERY, launch};

/// Has the CRD gain a field, and judges all objects as they would be without it.
pub(crate) async fn measure(kubeconfig: &str, shop: &Shop) -> Result<()> {
    println!("judging all objects for a rollback");
    let fusegate = launch(kubeconfig).await?;
    shop.wait_revision(1).await?;
    shop.add_field().await?;
    shop.wait_revision(2).await?;
    drop(fusegate);
    let began = Instant::now();
    let mut judging = Command::new(program()?)
        .args([
            "rollback",
            STOREFRONTS,
            "--dry-run",
            "--kubeconfig",
            kubeconfig,
        ])
        .args(["--namespace", "fusegate-system"])
        .kill_on_drop(true)
        .spawn()?;
    let footprint = Footprint::of(judging.id().context("it has ended")?);
    let (mut peak, mut processor) = (0, 0.0);
    let status = loop {
        // Once it has ended there is nothing to be read.
        peak = footprint.peak().unwrap_or(peak);
        processor = footprint.processor().unwrap_or(processor);
        if let Some(status) = judging.try_wait()? {
            break status;
        }
        pace(ASK_EVERY / 5).await;
    };
    let seconds = began.elapsed().as_secs_f64();
    ensure!(status.success(), "{status}");
    println!(
        "  all judged in {seconds:.1} s, {processor:.1} s of processor time, {:.1} MiB at peak",
        peak as f64 / f64::from(1 << 20)
    );
    Ok(())
}
