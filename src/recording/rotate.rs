//! Aside: the recordings of earlier runs, of which the two that matter are kept.
//!
//! `FILE.1` is the run before. `FILE.2` is one from before that, and a run that ended as soon as it had begun takes
//! its place from no other: a process that dies at its start again and again would push out the recording of the
//! run in which it all began.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::recording::reader::Reader;

/// How long a run lasts that has not ended as soon as it had begun. It is how long a container must run until a
/// kubelet takes it for one that does not crash in a loop, and restarts it without a wait.
pub const BRIEF: Duration = Duration::from_mins(10);

/// Moves a recording aside that is there from the run before; anything else than a file with content stays.
///
/// A process that is killed in the middle of this leaves each recording under one name or the other.
pub(super) fn keep(path: &Path) -> io::Result<()> {
    if !fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() > 0) {
        return Ok(());
    }
    let (latest, earlier) = (numbered(path, 1), numbered(path, 2));
    if latest.exists() && (!was_brief(&latest) || !earlier.exists() || was_brief(&earlier)) {
        fs::rename(&latest, earlier)?;
    }
    fs::rename(path, latest)
}

fn numbered(path: &Path, number: u8) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// Whether a run certainly was brief: what can't be read, or does not say when it began, may be worth keeping.
fn was_brief(path: &Path) -> bool {
    lasted(path).is_some_and(|lasted| lasted < BRIEF)
}

/// From the moment that the recording says it began until something was written to it last.
fn lasted(path: &Path) -> Option<Duration> {
    let file = File::open(path).ok()?;
    let ended = file.metadata().ok()?.modified().ok()?;
    let recorded = Reader::open(BufReader::new(file)).ok()?;
    let began = u64::try_from(recorded.header().began?).ok()?;
    ended
        .duration_since(UNIX_EPOCH)
        .ok()?
        .checked_sub(Duration::from_millis(began))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::recording::line::{FORMAT, Header, Line};

    const BEGAN: Duration = Duration::from_secs(1_700_000_000);
    const LONG: Option<Duration> = Some(BRIEF);
    const SHORT: Option<Duration> = Some(Duration::from_secs(3));
    /// As an older fusegate wrote it.
    const UNTOLD: Option<Duration> = None;

    /// A recording of a run that lasted so long, known by its name.
    fn record(path: &Path, name: &str, lasted: Option<Duration>) {
        let header = Line::Recording(Header {
            format: FORMAT,
            version: "0.1.0".to_owned(),
            cluster: name.to_owned(),
            link: String::new(),
            began: lasted.and_then(|_| i64::try_from(BEGAN.as_millis()).ok()),
        });
        let mut text = serde_json::to_string(&header).unwrap();
        text.push('\n');
        fs::write(path, text).unwrap();
        let ended = UNIX_EPOCH + BEGAN + lasted.unwrap_or_default();
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(ended).unwrap();
    }

    /// Which runs are kept as `FILE.1` and `FILE.2` after these, and a start after each.
    fn kept(runs: &[(&str, Option<Duration>)]) -> [Option<String>; 2] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recording.jsonl");
        for (name, lasted) in runs {
            record(&path, name, *lasted);
            keep(&path).unwrap();
            assert!(!path.exists());
        }
        assert!(fs::read_dir(folder.path()).unwrap().count() <= 2);
        [1, 2].map(|number| {
            let file = File::open(numbered(&path, number)).ok()?;
            let reader = Reader::open(BufReader::new(file)).unwrap();
            Some(reader.header().cluster.clone())
        })
    }

    #[rstest]
    #[case::the_first(&[("a", LONG)], ["a", ""])]
    #[case::two_long_ones(&[("a", LONG), ("b", LONG), ("c", LONG)], ["c", "b"])]
    #[case::a_loop(&[("a", LONG), ("b", SHORT), ("c", SHORT), ("d", SHORT)], ["d", "a"])]
    #[case::brief_ones_only(&[("a", SHORT), ("b", SHORT), ("c", SHORT)], ["c", "b"])]
    #[case::a_long_one_after_a_loop(&[("a", LONG), ("b", SHORT), ("c", LONG), ("d", SHORT)], ["d", "c"])]
    #[case::one_that_tells_no_time(&[("a", UNTOLD), ("b", SHORT), ("c", SHORT)], ["c", "a"])]
    fn a_run_that_ended_at_once_pushes_out_no_other(
        #[case] runs: &[(&str, Option<Duration>)],
        #[case] expected: [&str; 2],
    ) {
        let kept = kept(runs).map(Option::unwrap_or_default);
        assert_eq!(kept, expected);
    }

    #[test]
    fn what_is_empty_or_no_file_is_left_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recording.jsonl");
        fs::write(&path, "").unwrap();
        keep(&path).unwrap();
        keep(folder.path()).unwrap();
        keep(Path::new("/dev/null")).unwrap();
        assert!(path.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_start_that_was_killed_between_two_moves_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recording.jsonl");
        record(&path, "b", LONG);
        record(&numbered(&path, 2), "a", LONG);
        keep(&path).unwrap();
        assert!(numbered(&path, 1).exists() && numbered(&path, 2).exists());
    }
}
