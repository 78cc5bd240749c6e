//! The recordings of one fusegate, one for each process that it was: replayed, they must give its audit log again.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};

use super::{fusegate::program, servers::process::Program};

/// The audit log is written by a thread of its own, which follows within moments.
const AUDITED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The recordings, and the audit log that all of them are about.
#[derive(Debug)]
pub(crate) struct Recordings {
    folder: PathBuf,
    audit: Option<PathBuf>,
    /// Where in the audit log each process began.
    begun: Vec<usize>,
    /// The processes whose recordings lack turns, by their numbers.
    lacking: BTreeSet<usize>,
}

impl Recordings {
    /// None yet; the audit log is the one that the program is told to write, if that is a file.
    pub(crate) fn new(program: &Program, folder: &Path) -> Self {
        let audit = program
            .args
            .iter()
            .find_map(|arg| arg.strip_prefix("--audit="));
        let audit = audit.filter(|path| !path.starts_with("/dev/") && *path != "-");
        Self {
            folder: folder.to_owned(),
            audit: audit.map(Into::into),
            begun: Vec::new(),
            lacking: BTreeSet::new(),
        }
    }

    /// Makes room for the recording of one more process, and says by which argument it is made.
    pub(crate) fn begin(&mut self) -> Result<String> {
        // A line that a kill left unfinished is cut off by the next process.
        let audited = self.audited()?;
        let whole = audited.iter().rposition(|byte| *byte == b'\n');
        self.begun.push(whole.map_or(0, |end| end + 1));
        let path = self.path(self.begun.len());
        Ok(format!("--record={}", path.display()))
    }

    /// The one that the process of now makes.
    pub(crate) fn current(&self) -> PathBuf {
        self.path(self.begun.len())
    }

    /// That of the process of now lacks turns, and its replay must say so.
    pub(crate) fn lose_turns(&mut self) {
        self.lacking.insert(self.begun.len());
    }

    /// Replays each with the real program, and compares what it prints with the audit log, byte for byte.
    /// While the last process lives, its audit log must have caught up.
    pub(crate) fn replay(&self, alive: bool) -> Result<()> {
        for (index, from) in self.begun.iter().enumerate() {
            let until = self.begun.get(index + 1).copied();
            let alive = alive && until.is_none();
            self.replay_one(index + 1, *from, until, alive)
                .with_context(|| format!("replay the recording of process {}", index + 1))?;
        }
        Ok(())
    }

    fn replay_one(
        &self,
        process: usize,
        from: usize,
        until: Option<usize>,
        alive: bool,
    ) -> Result<()> {
        let path = self.path(process);
        if !path.exists() {
            // It ended before it had made one: its options were refused, or its ports taken.
            return Ok(());
        }
        let replay = Command::new(program()?).arg("replay").arg(&path).output()?;
        let told = String::from_utf8_lossy(&replay.stderr);
        if told.contains("the recording is empty") {
            return Ok(());
        }
        if self.lacking.contains(&process) {
            let named = told.contains("turns are missing here");
            ensure!(replay.status.code() == Some(2) && named, "{told}");
        } else {
            // Nothing that is not there can be compared.
            let whole = replay.status.success() && !told.contains("ends at its limit");
            ensure!(whole, "{}: {told}", replay.status);
        }
        if self.audit.is_none() {
            return Ok(());
        }
        let replayed = replay.stdout;
        let least = if alive { from + replayed.len() } else { 0 };
        let audited = self.audited_to(least)?;
        let until = until.unwrap_or(audited.len());
        let audited = untraced(audited.get(from..until).unwrap_or_default());
        let both = if told.contains("fusegate was stopped") {
            replayed.len().max(audited.len())
        } else {
            // Each of the two is written by a thread of its own, and either may have been ahead when the process was killed.
            replayed.len().min(audited.len())
        };
        let [replayed, audited] =
            [&*replayed, &*audited].map(|lines| &lines[..both.min(lines.len())]);
        ensure!(
            replayed == audited,
            "the replay prints other audit lines than the process did: {}\n{told}",
            difference(replayed, audited)
        );
        Ok(())
    }

    /// The audit log, once it has this many bytes.
    fn audited_to(&self, length: usize) -> Result<Vec<u8>> {
        let looks = AUDITED_WITHIN.as_millis() / LOOK_EVERY.as_millis();
        for _ in 0..looks {
            let audited = self.audited()?;
            if audited.len() >= length {
                return Ok(audited);
            }
            thread::sleep(LOOK_EVERY);
        }
        bail!("the audit log has not caught up with the recording");
    }

    fn audited(&self) -> Result<Vec<u8>> {
        match &self.audit {
            Some(path) if path.exists() => fs::read(path).context("read the audit log"),
            _ => Ok(Vec::new()),
        }
    }

    fn path(&self, process: usize) -> PathBuf {
        self.folder.join(format!("recording-{process}.jsonl"))
    }
}

/// Audit lines without what a replay, which traces nothing, can't give.
fn untraced(lines: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(lines);
    let mut parts = text.split(r#","trace_id":""#);
    let first = parts.next().unwrap_or_default().to_owned();
    // An id has 32 characters, and a quote behind it.
    let rest = parts.map(|part| part.get(33..).unwrap_or_default());
    rest.fold(first, |text, part| text + part).into_bytes()
}

/// The first line that is not the same.
fn difference(replayed: &[u8], audited: &[u8]) -> String {
    let (replayed, audited) = (
        String::from_utf8_lossy(replayed),
        String::from_utf8_lossy(audited),
    );
    let mut lines = replayed.lines().zip(audited.lines()).enumerate();
    let other = lines.find(|(_, (replayed, audited))| replayed != audited);
    let lengths = || format!("{} bytes instead of {}", replayed.len(), audited.len());
    other.map_or_else(lengths, |(index, (replayed, audited))| {
        format!(
            "line {}\nreplayed: {replayed}\naudited:  {audited}",
            index + 1
        )
    })
}
