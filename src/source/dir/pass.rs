//! A pass: one look at the whole directory, and everything that follows from it.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::runtime::metrics::{Bound, Metrics};
use crate::source::dir::catalog::{Catalog, MOST_ENTRIES, MOST_FILES, Place, Refused};
use crate::source::dir::entry::{Entry, Key};
use crate::source::dir::index::Index;
use crate::source::dir::layout::Layout;
use crate::source::dir::lock::{Lock, Unopened};
use crate::source::dir::look::{Looks, Verdict};
use crate::source::dir::outlet::Closed;
use crate::source::dir::reading::{self, Reading};
use crate::source::dir::teller::Teller;
use crate::source::dir::walk::{self, Sight, Sights};
use crate::wire::event::Feed;

/// How many looks the first list waits for files that keep changing.
const PATIENCE: u32 = 20;

/// What causes a pass.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It is time to say that the feeds are live.
    Heartbeat,
    /// A change may have stood long enough to be believed.
    Tick,
    /// The file system says that something changed, and which files are whole.
    Signal(HashSet<PathBuf>),
}

/// What a pass leaves to be done.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Another look is due soon.
    pub(super) restless: bool,
    /// The directory is another one; its signals have to be asked for anew.
    pub(super) replaced: bool,
}

/// Everything that is known about a directory.
pub(super) struct Pass {
    layout: Layout,
    lock: Lock,
    root: RootId,
    catalog: Catalog,
    looks: Looks,
    index: Index,
    teller: Teller,
    metrics: Metrics,
    tick: u64,
    waited: u32,
    gone: bool,
    crowded: bool,
}

/// Which directory it is, whatever it is called.
type RootId = (u64, u64);

impl Pass {
    pub(super) fn new(layout: Layout, lock: Lock, teller: Teller, metrics: Metrics) -> Self {
        Self {
            root: root_id(&layout).unwrap_or_default(),
            index: Index::load(&layout),
            layout,
            lock,
            catalog: Catalog::default(),
            looks: Looks::default(),
            teller,
            metrics,
            tick: 0,
            waited: 0,
            gone: false,
            crowded: false,
        }
    }

    /// Looks, and tells what is new.
    pub(super) fn run(&mut self, cause: &Cause) -> Result<Outcome, Closed> {
        let mut sights = match self.look() {
            Ok(sights) => sights,
            Err(why) => {
                self.gone = true;
                self.waited = 0;
                self.teller.interrupt_all(&why)?;
                return Ok(Outcome::default());
            }
        };
        let replaced = std::mem::take(&mut self.gone);
        self.tick = self.tick.saturating_add(u64::from(*cause == Cause::Tick));
        self.crop(&mut sights)?;
        self.compare(&sights, cause)?;
        if self.looks.any() && self.waited < PATIENCE {
            self.waited += 1;
        } else {
            self.lists(&sights)?;
        }
        if *cause == Cause::Heartbeat {
            self.teller.confirm()?;
        }
        self.measure();
        self.index.update(&self.catalog, &sights, &self.layout);
        Ok(Outcome {
            restless: self.looks.any(),
            replaced,
        })
    }

    /// Everything that is there, if this is still the directory that it was.
    fn look(&mut self) -> Result<Sights, String> {
        let mut sights = walk::documents(self.layout.root())?;
        let root = root_id(&self.layout).ok_or("the directory is gone")?;
        if root != self.root && sights.is_empty() {
            return Err(format!(
                "{}: it is another directory than before, and an empty one, as if something were not mounted; bring the files back, or restart fusegate to go on without them",
                self.layout.root().display()
            ));
        }
        if root != self.root || !self.lock.stands() {
            self.lock = Lock::take(&self.layout).map_err(|error: Unopened| error.to_string())?;
            self.gone |= root != self.root;
            self.root = root;
        }
        let folder = self.layout.revisions_folder();
        let below = folder.strip_prefix(self.layout.root()).unwrap_or(&folder);
        let revisions = walk::revisions(&folder)?;
        sights.extend(
            revisions
                .into_iter()
                .map(|(path, sight)| (below.join(path), sight)),
        );
        Ok(sights)
    }

    /// Says how much of the bounds is taken.
    fn measure(&self) {
        for (bound, size) in [
            (Bound::DirectoryFiles, self.catalog.paths().count()),
            (Bound::DirectoryDocuments, self.catalog.entries()),
        ] {
            let size = i64::try_from(size).unwrap_or(i64::MAX);
            self.metrics.bound_size(bound).set(size);
        }
    }

    /// Leaves out what there is no room for, and says so when that begins.
    fn crop(&mut self, sights: &mut Sights) -> Result<(), Closed> {
        let cropped = self.catalog.crop(sights);
        if cropped > 0 && !self.crowded {
            self.metrics.bound_met(Bound::DirectoryFiles);
            let message = format!(
                "it holds {cropped} files more than {MOST_FILES}, which is the limit; those are passed over; split the directory"
            );
            self.teller
                .outlet()
                .unreadable(self.layout.root().display().to_string(), message)?;
        }
        self.crowded = cropped > 0;
        Ok(())
    }

    fn compare(&mut self, sights: &Sights, cause: &Cause) -> Result<(), Closed> {
        let none = HashSet::new();
        let whole = if let Cause::Signal(whole) = cause {
            whole
        } else {
            &none
        };
        let catalog = &self.catalog;
        let known = |path: &Path| catalog.fingerprint(path);
        let mut verdicts = self
            .looks
            .compare(sights, known, catalog.paths(), whole, self.tick);
        if *cause == Cause::Heartbeat {
            let again = |path: &PathBuf| Some((path.clone(), sights.get(path)?.clone()));
            let again = catalog.passing().filter_map(again);
            verdicts.extend(again.map(|(path, sight)| (path, Verdict::Read(sight))));
        }
        let mut touched = BTreeSet::new();
        for (path, verdict) in verdicts {
            touched.extend(match verdict {
                Verdict::Gone => self.catalog.remove(&path),
                Verdict::Read(sight) => self.read(&path, sight)?,
            });
        }
        self.tell_conflicts(&touched)?;
        self.teller.changes(&self.catalog, touched)
    }

    fn read(&mut self, path: &Path, sight: Sight) -> Result<BTreeSet<Key>, Closed> {
        let Sight {
            fingerprint,
            target,
        } = sight;
        let target = match target {
            Ok(target) => target,
            Err(why) => return self.refuse(path, fingerprint, why, false),
        };
        let reading = if self.is_revision(path) {
            reading::revision(&target, fingerprint)
        } else {
            reading::documents(&target, fingerprint)
        };
        match reading {
            Reading::Moved => Ok(BTreeSet::new()),
            Reading::Refused(why) => self.refuse(path, fingerprint, why, false),
            Reading::Unread(why) => self.refuse(path, fingerprint, why, true),
            Reading::Entries(entries) => match self.misfit(path, fingerprint.length, &entries) {
                Some(why) => self.refuse(path, fingerprint, why, false),
                None => Ok(self.catalog.replace(
                    path,
                    Place {
                        target,
                        fingerprint,
                    },
                    entries,
                )),
            },
        }
    }

    /// Why what was read can't be taken, if it can't.
    fn misfit(&self, path: &Path, length: u64, entries: &[Entry]) -> Option<String> {
        if length == 0 && self.catalog.holds_anything(path) {
            return Some("it is empty, as after a crash of whoever wrote it; what was in it stays as it was; delete the file if it should go".to_owned());
        }
        (!self.catalog.has_room(path, entries.len())).then(|| {
            self.metrics.bound_met(Bound::DirectoryDocuments);
            format!("with it the directory would hold more than {MOST_ENTRIES} objects, which is the limit; the file is passed over; split the directory")
        })
    }

    fn refuse(
        &mut self,
        path: &Path,
        fingerprint: walk::Fingerprint,
        why: String,
        passing: bool,
    ) -> Result<BTreeSet<Key>, Closed> {
        let told = why.clone();
        let news = self
            .catalog
            .refuse(path, fingerprint, Refused { why, passing });
        if news {
            self.teller
                .outlet()
                .unreadable(path.display().to_string(), told)?;
        }
        Ok(BTreeSet::new())
    }

    fn is_revision(&self, path: &Path) -> bool {
        self.layout
            .root()
            .join(path)
            .starts_with(self.layout.revisions_folder())
    }

    fn tell_conflicts(&self, touched: &BTreeSet<Key>) -> Result<(), Closed> {
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
                "it is defined in {}; the one in {first} counts; remove it from the others",
                files.join(" and ")
            );
            self.teller.outlet().unreadable(key.to_string(), message)?;
        }
        Ok(())
    }

    fn lists(&mut self, sights: &Sights) -> Result<(), Closed> {
        let (catalog, index) = (&self.catalog, &self.index);
        let blocked = |feed: &Feed| {
            let mut unknown = index.paths().filter(|path| {
                sights.contains_key(*path)
                    && !catalog.is_readable(path)
                    && !catalog.holds_anything(path)
            });
            let had_part = unknown.find(|path| index.has_part(path, feed));
            let holds = || catalog.unreadable_with(feed);
            had_part.or_else(holds).map(|path| {
                format!("{} can't be read, and what it holds belongs here; mend it, or delete it if it should go", path.display())
            })
        };
        self.teller.lists(catalog, blocked)
    }
}

fn root_id(layout: &Layout) -> Option<RootId> {
    let metadata = fs::metadata(layout.root()).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
