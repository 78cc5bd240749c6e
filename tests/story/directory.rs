//! A directory in trouble: files broken in every way, the directory gone, the disk full, rights withdrawn.
//!
//! Each trouble is named, nothing is lost or deleted by it, Envoy sheds on, and mending it is enough.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Output,
};

use anyhow::{Context as _, Result, ensure};
use rstest::rstest;
use serde_json::{Value, json};

use super::{
    acts::tripped,
    audit::{self, Line},
    breakage::{Breakage, link},
    folder,
    replayed::replay,
    store::Place,
    world::{Opening, Shop, latency},
};
use crate::support::fusegate;

const POLICY: &str = "checkout";

impl Shop {
    /// The audit lines that name a file that can't be read.
    fn read_lines(&self, file: &str) -> Result<Vec<Line>> {
        let mut lines = audit::read(self.store.audit(), "")?;
        lines.retain(|line| line.text("operation") == "Read" && line.text("resource") == file);
        Ok(lines)
    }

    /// Waits until there are more lines about a file than before, and returns the first new one.
    async fn wait_read_line(&self, file: &str, before: usize) -> Result<Line> {
        self.wait(&format!("a line about {file}"), async || {
            let mut lines = self.read_lines(file)?.into_iter();
            lines.nth(before).context("no line")
        })
        .await
    }

    /// Fails unless an object is Open by this trip, shed by Envoy, and was never seen going.
    async fn assert_sheds(&self, object: &str, trip: &str) -> Result<()> {
        let circuit = self.circuit(POLICY, object).await?;
        ensure!(circuit["state"] == "Open", "{circuit}");
        ensure!(circuit["tripId"] == trip, "{circuit} instead of {trip}");
        ensure!(self.answer(object).await? == 503, "it is not shed any more");
        let mut lines = self.map_lines(object)?.into_iter();
        let deleted = lines.find(|line| line.text("operation") == "Delete");
        ensure!(deleted.is_none(), "{deleted:?}");
        Ok(())
    }

    /// Waits until the gate answers this.
    async fn wait_gate(&self, status: u16) -> Result<()> {
        self.wait(&format!("the gate to answer {status}"), async || {
            let answer = self.gate(POLICY).await?;
            ensure!(answer == status, "{answer}");
            Ok(())
        })
        .await
    }
}

#[rstest]
#[tokio::test]
async fn a_file_that_cannot_be_read_is_named_and_nothing_of_it_is_lost() -> Result<()> {
    let (shop, trip) = tripped(Place::Folder, POLICY, json!({})).await?;
    let folder = shop.store.folder()?;
    let file = folder::file_of("front");
    let whole = folder.text_of("front")?;
    for (at, breakage) in Breakage::ALL.into_iter().enumerate() {
        let before = shop.read_lines(&file)?.len();
        let made = async {
            let named = breakage.make(folder, "front")?;
            let line = shop.wait_read_line(&file, before).await?;
            for part in &named {
                let reason = line.text("reason");
                ensure!(reason.contains(part), "{part} is not named in {reason}");
            }
            // What is written elsewhere is seen, so that this one has been looked at too.
            shop.report("back", &latency(&format!("{}ms", 101 + at)))
                .await?;
            shop.assert_sheds("front", &trip).await?;
            // Mended, by a file in its place.
            let next = folder.watched.with_file_name("next.yaml");
            fs::write(&next, &whole)?;
            fs::rename(&next, folder.watched.join(&file))?;
            shop.report("front", &latency(&format!("{}ms", 400 + at)))
                .await?;
            shop.assert_sheds("front", &trip).await
        };
        let outcome: Result<()> = made.await;
        outcome.with_context(|| format!("{breakage:?}"))?;
    }
    Ok(())
}

#[rstest]
#[tokio::test]
async fn a_link_inside_is_followed_and_a_new_half_file_may_go_again() -> Result<()> {
    let (shop, trip) = tripped(Place::Folder, POLICY, json!({})).await?;
    let folder = shop.store.folder()?;
    let path = folder.watched.join(folder::file_of("front"));

    // As a ConfigMap is mounted: the files are elsewhere below the directory, and links lead there.
    let data = folder.watched.join("..data");
    fs::create_dir(&data)?;
    let changed = folder.text_of("front")?.replace("320ms", "330ms");
    fs::write(data.join("front.yaml"), changed)?;
    let before = shop.map_lines("front")?.len();
    link(Path::new("..data/front.yaml"), &path)?;
    shop.wait("the linked file to be judged", async || {
        ensure!(shop.map_lines("front")?.len() > before);
        Ok(())
    })
    .await?;
    shop.assert_sheds("front", &trip).await?;

    // A file that never was whole holds nothing that could be lost.
    let new = folder.watched.join("new.yaml");
    fs::write(&new, "apiVersion: v1\nkind: [Store")?;
    shop.wait_read_line("new.yaml", 0).await?;
    fs::remove_file(&new)?;
    shop.report("back", &latency("120ms")).await?;
    shop.assert_sheds("front", &trip).await
}

#[rstest]
#[tokio::test]
async fn a_missing_empty_or_replaced_directory_changes_nothing() -> Result<()> {
    let (mut shop, trip) = tripped(Place::Folder, POLICY, json!({})).await?;
    shop.wait_recorded(POLICY, &trip).await?;
    let watched = shop.store.folder()?.watched.clone();
    let away = watched.with_file_name("away");

    // Gone, as an unmounted one.
    fs::rename(&watched, &away)?;
    shop.wait_gate(403).await?;
    shop.wait_unconfirmed(true).await?;
    shop.assert_sheds("front", &trip).await?;
    // Something is there again, but empty, as a mount point that nothing is mounted at.
    fs::create_dir(&watched)?;
    shop.wait_logged("the directory was replaced by an empty one")
        .await?;
    shop.assert_sheds("front", &trip).await?;
    ensure!(!watched.join(".fusegate").exists(), "state was begun anew");
    // Back.
    fs::remove_dir(&watched)?;
    fs::rename(&away, &watched)?;
    shop.wait_unconfirmed(false).await?;
    shop.report("front", &latency("401ms")).await?;
    shop.report("back", &latency("111ms")).await?;
    shop.assert_sheds("front", &trip).await?;

    // Another one, restored from a backup that had the files and not what fusegate kept beside them.
    fs::rename(&watched, &away)?;
    shop.wait_unconfirmed(true).await?;
    let restored = watched.with_file_name("restored");
    fs::create_dir(&restored)?;
    for file in fs::read_dir(&away)? {
        let file = file?;
        if file.file_type()?.is_file() {
            fs::copy(file.path(), restored.join(file.file_name()))?;
        }
    }
    fs::rename(&restored, &watched)?;
    shop.wait_unconfirmed(false).await?;
    shop.report("front", &latency("402ms")).await?;
    shop.assert_sheds("front", &trip).await?;
    // What it knows is kept beside them again, and outlives it.
    shop.wait_recorded(POLICY, &trip).await?;
    shop.store.own_fusegate()?.kill9()?;
    shop.store.own_fusegate()?.restart().await?;
    ensure!(shop.wait_open(POLICY, "front").await? == trip);
    shop.assert_sheds("front", &trip).await
}

#[rstest]
#[tokio::test]
async fn on_a_full_disk_a_trip_sheds_and_pages_and_is_recorded_later() -> Result<()> {
    let opening = Opening::at(Place::Folder).policy(POLICY, json!({}));
    let mut shop = opening.object("front").object("back").open().await?;
    shop.report_latencies("front", &["300ms", "310ms"]).await?;

    shop.store.folder()?.fill_disk(true)?;
    // Nothing can be audited now, so that this is not waited for.
    shop.write("front", &latency("320ms")).await?;
    let trip = shop.wait_open(POLICY, "front").await?;
    shop.wait_answer("front", 503).await?;
    shop.wait_alert(&trip).await?;
    shop.wait_metric("fusegate_audit_write_errors_total")
        .await?;
    shop.wait_metric("fusegate_effects_total{kind=\"Status\",result=\"Retried\"}")
        .await?;
    ensure!(shop.store.status("CircuitPolicy", POLICY).await?["circuits"][0]["tripId"] != trip);
    shop.write("back", &latency("120ms")).await?;
    shop.wait_published("back", "120").await?;

    shop.store.folder()?.fill_disk(false)?;
    shop.wait_recorded(POLICY, &trip).await?;
    shop.wait("the audit lines of that time", async || {
        let lines = shop.audit()?;
        let opened = |line: &Line| line.text("operation") == "Open" && line.text("trip_id") == trip;
        ensure!(lines.iter().any(opened), "{lines:?}");
        ensure!(shop.map_lines("front")?.len() >= 4, "{lines:?}");
        Ok(())
    })
    .await?;
    let dropped = shop
        .store
        .fusegate()
        .metric("fusegate_audit_lines_dropped_total");
    ensure!(dropped.await? < 1.0);
    // The recording is on the same disk, and nothing is missing of it.
    let recording = shop.store.fusegate().recording().context("not recorded")?;
    shop.wait("the recording of that time", async || {
        let replayed = replay(&recording, &["--trip", &trip])?;
        ensure!(replayed.status.success(), "{replayed:?}");
        Ok(())
    })
    .await?;
    ensure!(shop.store.fusegate().metric("fusegate_recording").await? > 0.0);
    shop.store.own_fusegate()?.kill9()?;
    shop.store.own_fusegate()?.restart().await?;
    ensure!(shop.wait_open(POLICY, "front").await? == trip);
    shop.assert_sheds("front", &trip).await
}

#[rstest]
#[tokio::test]
async fn in_a_read_only_directory_circuits_trip_and_the_rollback_is_blocked() -> Result<()> {
    let opening = Opening::at(Place::Folder).policy(POLICY, json!({}));
    let mut shop = opening.object("front").object("back").open().await?;
    let watched = shop.store.folder()?.watched.clone();
    shop.store.own_fusegate()?.kill9()?;
    set_writable(&watched, false)?;
    let told = tell_read_only(&mut shop).await;
    set_writable(&watched, true)?;
    let trip = told?;

    // Mended: what could not be kept is kept.
    shop.wait_recorded(POLICY, &trip).await?;
    shop.assert_sheds("front", &trip).await
}

/// What is to be seen of a trip where nothing can be written; the trip is returned.
async fn tell_read_only(shop: &mut Shop) -> Result<String> {
    shop.store.own_fusegate()?.restart().await?;
    for value in ["300", "310", "320"] {
        let folder = shop.store.folder()?;
        let mut object: Value = serde_saphyr::from_str(&folder.text_of("front")?)?;
        object["status"]["conditions"]["network-latency"] = json!(format!("{value}ms"));
        // A file may be written where none may be made.
        let path = folder.watched.join(folder::file_of("front"));
        fs::write(path, format!("{object}\n"))?;
        let seen = |circuit: &Value| circuit["rules"][0]["value"].to_string().contains(value);
        shop.wait_circuit(POLICY, "front", value, seen).await?;
    }
    let trip = shop.wait_open(POLICY, "front").await?;
    shop.wait_answer("front", 503).await?;
    shop.wait("the alert to say why there is no rollback", async || {
        let alert = shop.wait_alert(&trip).await?.to_string();
        ensure!(alert.contains("ReadOnly"), "{alert}");
        Ok(())
    })
    .await?;
    Ok(trip)
}

/// Lets nobody make or remove anything in a folder and those below it, or lets its owner again.
fn set_writable(folder: &Path, writable: bool) -> Result<()> {
    let mode = if writable { 0o755 } else { 0o555 };
    if writable {
        fs::set_permissions(folder, Permissions::from_mode(mode))?;
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            set_writable(&entry.path(), writable)?;
        }
    }
    Ok(fs::set_permissions(folder, Permissions::from_mode(mode))?)
}

#[rstest]
#[tokio::test]
async fn a_second_process_on_the_directory_ends_and_says_who_has_it() -> Result<()> {
    let (mut shop, trip) = tripped(Place::Folder, POLICY, json!({})).await?;
    let watched = shop.store.folder()?.watched.clone();

    let second = run_on(&watched).await?;

    let said = String::from_utf8(second.stderr)?;
    ensure!(second.status.code() == Some(1), "{}: {said}", second.status);
    let lock = watched.join(".fusegate/lock").display().to_string();
    let process = format!("process {}", shop.store.fusegate().id());
    for part in [lock.as_str(), &process, "only one fusegate may run"] {
        ensure!(said.contains(part), "{part} is not named in: {said}");
    }
    shop.assert_sheds("front", &trip).await?;
    // A lock dies with its process, however that ends.
    shop.store.own_fusegate()?.kill9()?;
    shop.store.own_fusegate()?.restart().await?;
    ensure!(shop.wait_open(POLICY, "front").await? == trip);
    Ok(())
}

/// Runs a fusegate that is expected to end by itself.
async fn run_on(folder: &Path) -> Result<Output> {
    let output = tokio::process::Command::new(fusegate::program()?)
        .args([
            "run",
            "--http-listen=127.0.0.1:0",
            "--xds-listen=127.0.0.1:0",
        ])
        .arg(format!("--source=dir:{}", folder.display()))
        .kill_on_drop(true)
        .output();
    let within = std::time::Duration::from_secs(30);
    Ok(tokio::time::timeout(within, output).await??)
}

impl Shop {
    /// Waits until the log says something.
    async fn wait_logged(&self, text: &str) -> Result<()> {
        self.wait(&format!("the log to say {text:?}"), async || {
            ensure!(self.store.fusegate().log()?.contains(text));
            Ok(())
        })
        .await
    }

    /// Waits until a counter is above zero.
    async fn wait_metric(&self, series: &str) -> Result<()> {
        self.wait(&format!("{series} to count"), async || {
            let value = self.store.fusegate().metric(series).await?;
            ensure!(value > 0.0, "{value}");
            Ok(())
        })
        .await
    }

    /// Waits until the feeds of objects are not confirmed, or are.
    async fn wait_unconfirmed(&self, unconfirmed: bool) -> Result<()> {
        let series = "fusegate_feeds_unconfirmed{feed=\"Objects\"}";
        self.wait(&format!("{series} to be {unconfirmed}"), async || {
            let value = self.store.fusegate().metric(series).await?;
            ensure!((value > 0.0) == unconfirmed, "{value}");
            Ok(())
        })
        .await
    }
}
