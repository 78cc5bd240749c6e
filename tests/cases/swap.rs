//! Swaps: all files of a directory are changed at once, by a link or by another directory in its place, and trips stay known.

use std::{fs, os::unix::fs::symlink, path::Path};

use anyhow::{Context as _, Result, ensure};
use rstest::rstest;

use super::{
    files::{CONTRACT, CRD, OBJECT, POLICY, SOON, gets},
    place::{Folder, write_all},
};
use crate::support::{scratch::Scratch, wait::eventually};

/// Writes the files of one moment, in which the object reports this latency.
fn write(folder: &Path, latency: &str) -> Result<()> {
    let policy = POLICY.replace("open: {minimum: 30m, maximum: 30m}", QUICK);
    let object = OBJECT.replace("120ms", latency);
    let files = [
        ("contract.yaml", CONTRACT),
        ("crd.yaml", CRD),
        ("policy.yaml", &*policy),
        ("eu-1.yaml", &*object),
    ];
    write_all(folder, &files)
}

const QUICK: &str = "open: {minimum: 1s, maximum: 1s}\n  halfOpen: {settle: 0s, successes: 1, admitPercent: [50], begin: Evidence}";

async fn trip_id(folder: &Folder) -> Result<String> {
    let circuit = gets(folder, "Open").await?;
    Ok(circuit["tripId"].as_str().context("no trip")?.to_owned())
}

async fn logs(folder: &Folder, words: &str) -> Result<()> {
    eventually(words, SOON, async || {
        let log = folder.fusegate.log()?;
        ensure!(log.contains(words), "{log}");
        Ok(())
    })
    .await
}

#[rstest]
#[case::beside_the_link(None)]
#[case::where_it_is_told_to_be(Some("state"))]
#[tokio::test]
async fn a_swapped_root_keeps_its_trips_and_gives_no_id_twice(
    #[case] state: Option<&str>,
) -> Result<()> {
    let scratch = Scratch::new("swap")?;
    let root = scratch.path().to_owned();
    let link = |to: &str| -> Result<()> {
        symlink(to, root.join("next-link"))?;
        fs::rename(root.join("next-link"), root.join("current"))?;
        Ok(())
    };
    for (moment, latency) in [
        ("one", "900ms"),
        ("two", "901ms"),
        ("three", "120ms"),
        ("four", "902ms"),
    ] {
        write(&root.join(moment), latency)?;
    }
    link("one")?;
    let args: Vec<_> = state
        .map(|state| {
            let state = root.join(state);
            fs::create_dir(&state)?;
            anyhow::Ok(format!("--state={}", state.display()))
        })
        .transpose()?
        .into_iter()
        .collect();
    let mut folder = Folder::start_at(scratch, root.join("current"), &args).await?;
    let first = trip_id(&folder).await?;

    link("two")?;
    logs(&folder, "the directory was replaced by another one; its files are read, and fusegate's state is kept").await?;
    folder.fusegate.kill9()?;
    folder.fusegate.restart().await?;
    ensure!(trip_id(&folder).await? == first);

    link("three")?;
    gets(&folder, "Closed").await?;
    link("four")?;
    let second = trip_id(&folder).await?;
    ensure!(second != first, "{second} was used twice");
    Ok(())
}

#[tokio::test]
async fn a_directory_that_is_replaced_with_its_state_is_said_aloud() -> Result<()> {
    let scratch = Scratch::new("swap")?;
    let root = scratch.path().to_owned();
    write(&root.join("watched"), "120ms")?;
    write(&root.join("other"), "120ms")?;
    let folder = Folder::start_at(scratch, root.join("watched"), &[]).await?;
    gets(&folder, "Closed").await?;

    fs::rename(root.join("watched"), root.join("old"))?;
    fs::rename(root.join("other"), root.join("watched"))?;
    logs(&folder, "keep the state outside of it with --state DIR").await
}
