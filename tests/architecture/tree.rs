//! The tree: every Rust source of the workspace, as its rules see it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::scan;

/// All sources.
pub(super) struct Tree {
    pub(super) sources: Vec<Source>,
}

/// One source file.
pub(super) struct Source {
    /// From the repository's root, with forward slashes.
    pub(super) path: String,
    pub(super) text: String,
    /// The text without comments, strings and in-file tests; lines stay where they are.
    pub(super) code: String,
    /// Whether the whole file exists for tests alone.
    pub(super) tests: bool,
}

impl Tree {
    pub(super) fn read() -> Self {
        let mut sources = Vec::new();
        for folder in ["src", "crds/src", "xds/src", "tests", "xds/tests"] {
            collect(&root().join(folder), &mut sources);
        }
        assert!(
            sources.len() > 50,
            "the tree was not found at {}",
            root().display()
        );
        let declared: Vec<String> = sources
            .iter()
            .flat_map(Source::declared_for_tests)
            .collect();
        for source in &mut sources {
            source.tests |= declared.iter().any(|stem| is_within(&source.path, stem));
        }
        Self { sources }
    }
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let stripped = scan::without_comments_and_texts(text);
        let in_test_folder = path.starts_with("tests/") || path.contains("/tests/");
        Self {
            path: path.into(),
            text: text.into(),
            code: scan::without_tests(&stripped),
            tests: in_test_folder || path.ends_with("/tests.rs"),
        }
    }

    /// Paths, without `.rs`, of the modules that this file declares under `#[cfg(test)]`.
    fn declared_for_tests(&self) -> Vec<String> {
        let stem = self.path.trim_end_matches(".rs");
        let folder = stem.strip_suffix("/lib").unwrap_or(stem);
        let lines: Vec<&str> = self.text.lines().map(str::trim).collect();
        let pairs = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
        let names = pairs.filter_map(|pair| pair[1].split_once("mod ")?.1.strip_suffix(';'));
        names.map(|name| format!("{folder}/{name}")).collect()
    }
}

/// Every crate that a manifest names, as code spells it.
pub(super) fn dependencies() -> BTreeSet<String> {
    let manifests = ["Cargo.toml", "crds/Cargo.toml", "xds/Cargo.toml"];
    let texts = manifests.map(|path| fs::read_to_string(root().join(path)).expect(path));
    let names: BTreeSet<String> = texts
        .iter()
        .flat_map(|text| dependency_names(text))
        .collect();
    assert!(
        names.contains("tokio"),
        "the manifests could not be read: {names:?}"
    );
    names
}

/// The names directly under the root, build output and dotfiles apart.
pub(super) fn top_level() -> BTreeSet<String> {
    let entries = fs::read_dir(root()).expect("the root can be read");
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names
        .filter(|name| !name.starts_with('.') && name != "target")
        .collect()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn is_within(path: &str, stem: &str) -> bool {
    path.strip_prefix(stem)
        .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

fn collect(folder: &Path, into: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path
                .strip_prefix(root())
                .unwrap()
                .to_str()
                .unwrap()
                .replace('\\', "/");
            into.push(Source::new(&name, &fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Keys of every table whose name ends in `dependencies`.
fn dependency_names(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines() {
        if let Some(table) = line.strip_prefix('[') {
            inside = table
                .trim_end()
                .trim_end_matches(']')
                .ends_with("dependencies");
        } else if inside && !line.starts_with('#') {
            let end = line.find(['.', ' ', '=']).unwrap_or(0);
            names.extend((end > 0).then(|| line[..end].replace('-', "_")));
        }
    }
    names
}
