//! What is kept of a history, and a history in a directory.

use std::sync::Arc;

use rstest::rstest;
use serde_json::json;

use super::*;
use crate::effects::revision::stored::{StoredInfo, free_number, surplus};
use crate::source::dir::layout::{Layout, StoredRevision, read_json};
use crate::wire::event::Revision;

#[rstest]
#[case::within_the_limit(&[(1, ""), (2, "")], 2, "2", &[])]
#[case::oldest_first(&[(1, ""), (2, ""), (3, ""), (4, "")], 2, "4", &[1, 2])]
#[case::never_the_target(&[(1, ""), (2, "bad"), (3, "bad"), (4, "")], 2, "4", &[2, 3])]
#[case::never_the_live_one(&[(1, ""), (2, ""), (3, "")], 2, "1", &[2])]
#[case::neither_though_the_limit_is_one(&[(1, ""), (2, "")], 1, "2", &[])]
#[case::all_bad(&[(1, "bad"), (2, "bad"), (3, "")], 1, "3", &[1, 2])]
fn the_longest_out_of_use_are_dropped(
    #[case] stored: &[(u64, &str)],
    #[case] limit: usize,
    #[case] live: &str,
    #[case] expected: &[u64],
) {
    let kept = stored
        .iter()
        .map(|(number, bad)| kept(*number, !bad.is_empty()))
        .collect();
    assert_eq!(surplus(kept, limit, live), expected);
}

#[test]
fn a_number_that_is_taken_is_not_used_again() {
    assert_eq!(free_number(&[], 1), 1);
    assert_eq!(free_number(&[kept(1, false), kept(5, false)], 6), 6);
    assert_eq!(free_number(&[kept(1, false), kept(5, false)], 5), 6);
    assert_eq!(free_number(&[kept(1, false), kept(5, false)], 3), 6);
}

#[tokio::test]
async fn a_directory_keeps_each_schema_once() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    let revisions = Revisions::Dir(Folder::new(layout.clone()));
    for (number, hash, seen_at) in [(1, "a", 10), (2, "b", 20), (2, "c", 30), (1, "a", 40)] {
        let record = Record {
            revision: revision(number, hash, seen_at),
            limit: 3,
        };
        let delivered = revisions.deliver(&Identity::of(&record), &record).await;
        assert_eq!(delivered, Ok(Delivered::Done));
    }
    assert_eq!(
        stored(&layout),
        [
            (1, "a".into(), 40),
            (2, "b".into(), 20),
            (3, "c".into(), 30)
        ]
    );
    let record = Record {
        revision: revision(4, "d", 50),
        limit: 3,
    };
    revisions
        .deliver(&Identity::of(&record), &record)
        .await
        .unwrap();
    assert_eq!(
        stored(&layout),
        [
            (1, "a".into(), 40),
            (3, "c".into(), 30),
            (4, "d".into(), 50)
        ]
    );
}

#[test]
fn a_bad_mark_in_a_directory_stays_and_needs_no_stored_copy() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::new(folder.path());
    for _ in 0..2 {
        mark_bad_in_dir(&layout, &revision(7, "a", 10), "t1").unwrap();
    }
    let path = layout.revision_path("foos.example.com", 7);
    let read: StoredRevision = read_json(&path).unwrap().unwrap();
    assert_eq!(read.bad.as_deref(), Some("t1"));
    assert_eq!(stored(&layout).len(), 1);
}

fn stored(layout: &Layout) -> Vec<(u64, String, i64)> {
    let mut found: Vec<_> = std::fs::read_dir(layout.revision_folder("foos.example.com"))
        .unwrap()
        .map(|entry| {
            read_json::<StoredRevision>(&entry.unwrap().path())
                .unwrap()
                .unwrap()
        })
        .map(|stored| (stored.number, stored.hash.to_string(), stored.seen_at))
        .collect();
    found.sort();
    found
}

fn kept(number: u64, bad: bool) -> StoredInfo {
    StoredInfo {
        number,
        hash: number.to_string(),
        seen_at: 0,
        bad,
    }
}

fn revision(number: u64, hash: &str, seen_at: i64) -> Revision {
    Revision {
        crd: "foos.example.com".into(),
        crd_uid: "u1".into(),
        number,
        hash: hash.into(),
        seen_at,
        bad: None,
        spec: Arc::new(json!({})),
    }
}
