//! Rotation: keeps two recordings of earlier runs.
//!
//! `FILE.1` is the previous run, `FILE.2` an earlier one. A brief run never replaces a longer one in `FILE.2`:
//! otherwise a process in a crash loop would push out the recording of the run in which the trouble began.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use crate::recording::reader::Reader;

/// A run shorter than this is brief. It is also how long a container must run until the kubelet resets its
/// restart backoff.
pub const BRIEF: Duration = Duration::from_mins(10);

/// Renames the recording of the previous run. Anything but a file with content is left alone.
///
/// If the process is killed meanwhile, each recording has either its old or its new name.
pub(super) fn rotate(path: &Path) -> io::Result<()> {
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

/// Whether a run was certainly brief. One that can't be read, or has no start time, may be worth keeping.
fn was_brief(path: &Path) -> bool {
    lasted(path).is_some_and(|lasted| lasted < BRIEF)
}

/// From the recorded start until the last write to the file.
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
            namespace: String::new(),
            shard: None,
            rules: 0,
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
            rotate(&path).unwrap();
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
        rotate(&path).unwrap();
        rotate(folder.path()).unwrap();
        rotate(Path::new("/dev/null")).unwrap();
        assert!(path.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_start_that_was_killed_between_two_moves_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recording.jsonl");
        record(&path, "b", LONG);
        record(&numbered(&path, 2), "a", LONG);
        rotate(&path).unwrap();
        assert!(numbered(&path, 1).exists() && numbered(&path, 2).exists());
    }
}
