//! A tally: digests of what a run of the engine has produced. The run and its replay compute the same ones.

use fusegate_xds::Version;
use twox_hash::xxhash3_128::Hasher;

use crate::effects::audit::json::Writer;
use crate::engine::output::Publication;
use crate::recording::digest::Digest;
use crate::wire::effect::Effect;

/// Digests of all output since the start.
#[derive(Default)]
pub struct Tally {
    writer: Writer,
    /// The audit lines of this turn, as in the audit log.
    lines: Vec<u8>,
    line_count: u64,
    audit: Hasher,
    snapshot: Hasher,
    published: bool,
}

impl Tally {
    /// Begins a turn.
    pub fn begin(&mut self) {
        self.lines.clear();
        self.published = false;
    }

    /// Adds what a flush publishes.
    pub fn publication(&mut self, publication: &Publication) {
        for resource in &publication.put {
            self.operation("put", resource.name());
            self.snapshot
                .write(resource.version().to_string().as_bytes());
        }
        for (operation, names) in [
            ("remove", &publication.remove),
            ("withhold", &publication.withhold),
            ("release", &publication.release),
        ] {
            for name in names {
                self.operation(operation, name.as_str());
            }
        }
        if publication.open {
            self.operation("open", "");
        }
    }

    /// Adds the version of the snapshot after this turn: a hash of every layer's canonical bytes.
    pub fn published(&mut self, version: Version) {
        self.operation("version", "");
        self.snapshot.write(version.to_string().as_bytes());
    }

    /// Adds the effects of a flush.
    pub fn effects(&mut self, effects: &[Effect]) {
        for effect in effects {
            if let Effect::Audit(line) = effect {
                self.writer.line(line, &mut self.lines);
                self.line_count += 1;
            }
        }
        self.audit.write(&self.lines);
    }

    /// The audit lines of this turn, each with its line break.
    pub fn lines(&self) -> &[u8] {
        &self.lines
    }

    /// How many audit lines there have been since the start.
    pub fn line_count(&self) -> u64 {
        self.line_count
    }

    /// The digest of all audit lines, if this turn added any.
    pub fn audit(&self) -> Option<Digest> {
        (!self.lines.is_empty()).then(|| self.audit_so_far())
    }

    /// The digest of all publications, if this turn published.
    pub fn snapshot(&self) -> Option<Digest> {
        self.published.then(|| self.snapshot_so_far())
    }

    /// The digest of all audit lines since the start.
    pub fn audit_so_far(&self) -> Digest {
        Digest(self.audit.finish_128())
    }

    /// The digest of all publications since the start.
    pub fn snapshot_so_far(&self) -> Digest {
        Digest(self.snapshot.finish_128())
    }

    /// Every part ends with a byte that no name contains, so that different operations never hash alike.
    fn operation(&mut self, operation: &str, name: &str) {
        self.published = true;
        self.snapshot.write(operation.as_bytes());
        self.snapshot.write(b"\0");
        self.snapshot.write(name.as_bytes());
        self.snapshot.write(b"\0");
    }
}
