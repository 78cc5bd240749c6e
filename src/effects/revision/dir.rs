//! Revisions in a directory: a file of JSON each.

use std::fs;
use std::io;

use crate::effects::delivery::Failure;
use crate::effects::folder::Folder;
use crate::effects::revision::stored::{StoredInfo, free_number, surplus};
use crate::source::dir::atomic::write_atomic;
use crate::source::dir::layout::{Layout, StoredRevision, read_json};
use crate::wire::effect::Record;
use crate::wire::event::Revision;

/// Stores a schema or updates when it was last live, and deletes revisions beyond the limit.
pub(super) async fn record(folder: &Folder, record: &Record) -> Result<(), Failure> {
    let record = record.clone();
    folder
        .exclusively(move |layout| store(layout, &record))
        .await?
        .map_err(|error| Failure::Transient(format!("storing a revision: {error}")))
}

/// Marks every stored copy of a schema as bad; stores one if there is none.
pub(crate) fn mark_bad(layout: &Layout, bad: &Revision, trip: &str) -> io::Result<()> {
    let stored = list(layout, &bad.crd)?;
    let mut found = false;
    for mut each in stored.iter().filter(|each| each.hash == bad.hash).cloned() {
        each.bad = Some(trip.into());
        write(layout, &each)?;
        found = true;
    }
    if found {
        return Ok(());
    }
    let kept: Vec<_> = stored.iter().map(kept).collect();
    write(
        layout,
        &StoredRevision {
            number: free_number(&kept, bad.number),
            bad: Some(trip.into()),
            ..StoredRevision::from(bad)
        },
    )
}

fn store(layout: &Layout, record: &Record) -> io::Result<()> {
    let revision = &record.revision;
    let mut stored = list(layout, &revision.crd)?;
    let same = stored.iter_mut().find(|each| each.hash == revision.hash);
    if let Some(same) = same {
        if same.seen_at < revision.seen_at {
            same.seen_at = revision.seen_at;
            write(layout, same)?;
        }
    } else {
        let kept: Vec<_> = stored.iter().map(kept).collect();
        let new = StoredRevision {
            number: free_number(&kept, revision.number),
            ..StoredRevision::from(revision)
        };
        write(layout, &new)?;
        stored.push(new);
    }
    let kept = stored.iter().map(kept).collect();
    for number in surplus(kept, record.limit, &revision.hash) {
        fs::remove_file(layout.revision_path(&revision.crd, number))?;
    }
    Ok(())
}

/// The stored revisions of a CRD. A file that can't be read is skipped, and keeps its number:
/// the source has reported it.
pub(crate) fn list(layout: &Layout, crd: &str) -> io::Result<Vec<StoredRevision>> {
    let entries = match fs::read_dir(layout.revision_folder(crd)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut stored = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let number = path
            .file_stem()
            .and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if let (Some(number), Ok(Some(each))) = (number, read_json::<StoredRevision>(&path)) {
            stored.push(StoredRevision { number, ..each });
        }
    }
    Ok(stored)
}

fn kept(stored: &StoredRevision) -> StoredInfo {
    StoredInfo {
        number: stored.number,
        hash: stored.hash.to_string(),
        seen_at: stored.seen_at,
        bad: stored.bad.is_some(),
    }
}

fn write(layout: &Layout, stored: &StoredRevision) -> io::Result<()> {
    let path = layout.revision_path(&stored.crd, stored.number);
    write_atomic(&path, &serde_json::to_vec_pretty(stored)?)
}
