//! A scan: finds what changed in the whole directory, and sends the events that follow.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::runtime::metrics::{Bound, Metrics};
use crate::source::dir::catalog::{Catalog, MOST_ENTRIES, MOST_FILES, Place, Replaced};
use crate::source::dir::emitter::EventEmitter;
use crate::source::dir::entry::{Entry, Key, is_crd};
use crate::source::dir::index::Index;
use crate::source::dir::layout::Layout;
use crate::source::dir::lock::{Lock, Unopened};
use crate::source::dir::pending::{FileChange, PendingChanges};
use crate::source::dir::reader::{self, Content, Reading};
use crate::source::dir::sink::Closed;
use crate::source::dir::skipped::SkippedFiles;
use crate::source::dir::walk::{self, FileState, FileStates};
use crate::wire::event::Feed;

/// For how many scans the first list waits for files that keep changing.
const SCANS_BEFORE_FIRST_LIST: u32 = 20;

/// What causes a scan.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// The regular scan; it also confirms the feeds.
    Heartbeat,
    /// A pending change may have settled.
    Tick,
    /// The file system reported changes; these files are complete.
    FileEvents(HashSet<PathBuf>),
}

/// What a scan leaves to be done.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Changes are pending; scan again soon.
    pub(super) pending: bool,
    /// The directory was replaced; the file watcher must start again.
    pub(super) replaced: bool,
}

/// Scans a directory, and holds all that is known of it.
pub(super) struct Scanner {
    layout: Layout,
    lock: Lock,
    root: RootId,
    catalog: Catalog,
    pending: PendingChanges,
    index: Index,
    emitter: EventEmitter,
    skipped: SkippedFiles,
    metrics: Metrics,
    tick: u64,
    waited: u32,
    missing: bool,
    over_limit: bool,
}

/// Device and inode of the directory.
type RootId = (u64, u64);

impl Scanner {
    pub(super) fn new(
        layout: Layout,
        lock: Lock,
        emitter: EventEmitter,
        skipped: SkippedFiles,
        metrics: Metrics,
    ) -> Self {
        Self {
            root: root_id(&layout).unwrap_or_default(),
            index: Index::load(&layout),
            layout,
            lock,
            catalog: Catalog::default(),
            pending: PendingChanges::default(),
            emitter,
            skipped,
            metrics,
            tick: 0,
            waited: 0,
            missing: false,
            over_limit: false,
        }
    }

    /// Scans once and sends what changed.
    pub(super) fn run(&mut self, cause: &Cause) -> Result<Outcome, Closed> {
        let mut files = match self.list_files() {
            Ok(files) => files,
            Err(why) => {
                self.missing = true;
                self.waited = 0;
                self.emitter.interrupt_all(&why)?;
                return Ok(Outcome::default());
            }
        };
        let replaced = std::mem::take(&mut self.missing);
        self.tick = self.tick.saturating_add(u64::from(*cause == Cause::Tick));
        self.crop(&mut files)?;
        self.compare(&files, cause)?;
        if self.pending.any() && self.waited < SCANS_BEFORE_FIRST_LIST {
            self.waited += 1;
        } else {
            self.emit_lists(&files)?;
        }
        if *cause == Cause::Heartbeat {
            self.emitter.confirm()?;
        }
        self.measure();
        self.index.update(&self.catalog, &files, &self.layout);
        Ok(Outcome {
            pending: self.pending.any(),
            replaced,
        })
    }

    /// All files, if this is still the same directory.
    fn list_files(&mut self) -> Result<FileStates, String> {
        let mut files = walk::documents(self.layout.root())?;
        let root = root_id(&self.layout).ok_or("the directory is missing")?;
        if root != self.root && files.is_empty() {
            return Err(format!(
                "{}: the directory was replaced by an empty one, as when a volume is not mounted; restore the files, or restart fusegate to go on without them",
                self.layout.root().display()
            ));
        }
        if !self.lock.stands() || (root != self.root && !self.lock.is_held()) {
            self.lock = Lock::take(&self.layout).map_err(|error: Unopened| error.to_string())?;
        }
        if root != self.root {
            self.missing = true;
            self.root = root;
            self.log_replaced();
        }
        let folder = self.layout.revisions_folder();
        let below = folder.strip_prefix(self.layout.root()).unwrap_or(&folder);
        let revisions = walk::revisions(&folder)?;
        files.extend(
            revisions
                .into_iter()
                .map(|(path, file)| (below.join(path), file)),
        );
        Ok(files)
    }

    /// Logs that another directory is in the place of the former one.
    fn log_replaced(&self) {
        let (directory, state) = (self.layout.root().display(), self.layout.state_folder());
        if self.layout.is_state_inside() {
            tracing::error!(%directory, "the directory was replaced by another one, and fusegate's state with it: what it knew of trips and revisions stayed in the old one; keep the state outside of it with --state DIR");
        } else {
            tracing::warn!(%directory, state = %state.display(), "the directory was replaced by another one; its files are read, and fusegate's state is kept");
        }
    }

    /// Updates the metrics of the bounds.
    fn measure(&self) {
        for (bound, size) in [
            (Bound::DirectoryFiles, self.catalog.paths().count()),
            (Bound::DirectoryDocuments, self.catalog.entries()),
        ] {
            let size = i64::try_from(size).unwrap_or(i64::MAX);
            self.metrics.bound_size(bound).set(size);
        }
    }

    /// Leaves out files beyond the bound, and reports it when that begins.
    fn crop(&mut self, files: &mut FileStates) -> Result<(), Closed> {
        let cropped = self.catalog.crop(files);
        if cropped > 0 && !self.over_limit {
            self.metrics.bound_met(Bound::DirectoryFiles);
            let message = format!(
                "the directory holds {cropped} files more than the limit of {MOST_FILES}; they are not read; split the directory"
            );
            self.emitter
                .sink()
                .unreadable(self.layout.root().display().to_string(), message)?;
        }
        self.over_limit = cropped > 0;
        Ok(())
    }

    fn compare(&mut self, files: &FileStates, cause: &Cause) -> Result<(), Closed> {
        let none = HashSet::new();
        let whole = if let Cause::FileEvents(whole) = cause {
            whole
        } else {
            &none
        };
        let catalog = &self.catalog;
        let known = |path: &Path| catalog.fingerprint(path);
        let mut changes = self
            .pending
            .compare(files, known, catalog.paths(), whole, self.tick);
        if *cause == Cause::Heartbeat {
            let again = |path: &PathBuf| Some((path.clone(), files.get(path)?.clone()));
            let again = catalog.transient().filter_map(again);
            changes.extend(again.map(|(path, file)| (path, FileChange::Changed(file))));
        }
        let any = !changes.is_empty();
        let mut touched = BTreeSet::new();
        for (path, change) in changes {
            touched.extend(match change {
                FileChange::Removed => self.catalog.remove(&path),
                FileChange::Changed(file) => self.read(&path, file)?,
            });
        }
        if touched.iter().any(|key| is_crd(&key.kind)) {
            touched.extend(self.read_rescoped(files)?);
        }
        self.report_conflicts(&touched)?;
        self.emitter.emit_changes(&self.catalog, touched)?;
        let flaws = self.report_flaws()?;
        if any || flaws {
            self.skipped.set(self.catalog.skipped());
        }
        Ok(())
    }

    /// Reads the files again whose objects belong to a namespace now, or to none, as a CRD has come to say.
    fn read_rescoped(&mut self, files: &FileStates) -> Result<BTreeSet<Key>, Closed> {
        let mut touched = BTreeSet::new();
        for path in self.catalog.rescope() {
            if let Some(file) = files.get(&path) {
                touched.extend(self.read(&path, file.clone())?);
            }
        }
        Ok(touched)
    }

    fn read(&mut self, path: &Path, file: FileState) -> Result<BTreeSet<Key>, Closed> {
        let FileState {
            fingerprint,
            target,
        } = file;
        let reading = match &target {
            Err(why) => Reading::Refused(why.clone()),
            Ok(target) if self.is_revision(path) => reader::revision(target, fingerprint),
            Ok(target) => reader::read(target, fingerprint, self.catalog.scopes()),
        };
        let replaced = match reading {
            Reading::Moved => return Ok(BTreeSet::new()),
            Reading::Refused(why) => self.catalog.refuse(path, fingerprint, why, false),
            Reading::Unread(why) => self.catalog.refuse(path, fingerprint, why, true),
            Reading::Content(content) => self.take(path, fingerprint, target, content),
        };
        for problem in replaced.problems {
            let place = path.display().to_string();
            self.emitter.sink().unreadable(place, problem)?;
        }
        Ok(replaced.touched)
    }

    fn take(
        &mut self,
        path: &Path,
        fingerprint: walk::Fingerprint,
        target: Result<PathBuf, String>,
        mut content: Content,
    ) -> Replaced {
        if let Some(why) = self.why_not_taken(path, fingerprint.length, &content.entries) {
            return self.catalog.refuse(path, fingerprint, why, false);
        }
        let contracted = content
            .flaws
            .extract_if(.., |flaw| self.emitter.is_contracted(&flaw.kind));
        content.unread.extend(contracted.map(|flaw| flaw.problem));
        let place = Place {
            target: target.unwrap_or_default(),
            fingerprint,
        };
        self.catalog.replace(path, place, content)
    }

    /// Why the content of a file is not used, if so.
    fn why_not_taken(&self, path: &Path, length: u64, entries: &[Entry]) -> Option<String> {
        if length == 0 && self.catalog.holds_anything(path) {
            return Some("the file is empty, as after a crash of its writer; its last content stays in force; delete the file to remove its objects".to_owned());
        }
        (!self.catalog.has_capacity(path, entries.len())).then(|| {
            self.metrics.bound_met(Bound::DirectoryDocuments);
            format!("with this file the directory would hold more than the limit of {MOST_ENTRIES} objects; the file is not read; split the directory")
        })
    }

    /// Reports objects that can't be identified once their kind has a contract; whether there were any.
    fn report_flaws(&mut self) -> Result<bool, Closed> {
        let emitter = &self.emitter;
        let flaws = self.catalog.take_flaws(|kind| emitter.is_contracted(kind));
        for (path, problem) in &flaws {
            let place = path.display().to_string();
            emitter.sink().unreadable(place, problem.as_str())?;
        }
        Ok(!flaws.is_empty())
    }

    fn is_revision(&self, path: &Path) -> bool {
        self.layout
            .root()
            .join(path)
            .starts_with(self.layout.revisions_folder())
    }

    fn report_conflicts(&self, touched: &BTreeSet<Key>) -> Result<(), Closed> {
        for key in touched {
            let Some(holders) = self.catalog.conflict(key) else {
                continue;
            };
            let files: Vec<String> = holders
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            let first = files.first().cloned().unwrap_or_default();
            let message = format!(
                "it is defined in {}; the definition in {first} counts; remove the others",
                files.join(" and ")
            );
            self.emitter.sink().unreadable(key.to_string(), message)?;
        }
        Ok(())
    }

    fn emit_lists(&mut self, files: &FileStates) -> Result<(), Closed> {
        let (catalog, index) = (&self.catalog, &self.index);
        let blocked = |feed: &Feed| {
            let mut unknown = index
                .paths()
                .filter(|path| files.contains_key(*path) && !catalog.is_complete(path));
            let missing = unknown.find(|path| index.count(path, feed) > catalog.count(path, feed));
            missing.or_else(|| catalog.stale_with(feed)).map(|path| {
                format!("{} can't be read, or not all of it, and it holds objects of this kind; repair the file, or delete it to remove them", path.display())
            })
        };
        self.emitter.emit_lists(catalog, blocked)
    }
}

fn root_id(layout: &Layout) -> Option<RootId> {
    let metadata = fs::metadata(layout.root()).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
