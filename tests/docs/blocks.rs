//! A page of the documentation, and the code blocks, links and prose in it.

use std::fs;
use std::path::{Path, PathBuf};

/// One Markdown file.
pub(super) struct Page {
    /// From the repository's root.
    pub(super) path: String,
    pub(super) text: String,
}

/// One fenced block.
pub(super) struct Block {
    /// File and line, for messages.
    pub(super) place: String,
    pub(super) text: String,
}

/// README, CHANGELOG and everything under docs.
pub(super) fn pages() -> Vec<Page> {
    let mut paths = vec!["README.md".to_owned(), "CHANGELOG.md".to_owned()];
    collect(Path::new("docs"), &mut paths);
    assert!(paths.len() > 5, "{paths:?}");
    paths.iter().map(|path| Page::read(path)).collect()
}

impl Page {
    pub(super) fn read(path: &str) -> Self {
        let text =
            fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        Self {
            path: path.into(),
            text,
        }
    }

    /// The blocks of one language.
    pub(super) fn blocks(&self, language: &str) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (index, line) in self.text.lines().enumerate() {
            match (&mut open, line.strip_prefix("```")) {
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(block), None) => block.text.extend([line, "\n"]),
                (None, Some(info)) => {
                    let place = format!("{}:{}", self.path, index + 1);
                    open = Some(Block {
                        place: format!("{place} {info}"),
                        text: String::new(),
                    });
                }
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a block does not end", self.path);
        blocks.retain(|block| block.place.ends_with(&format!(" {language}")));
        blocks
    }

    /// The lines outside of blocks, with their numbers.
    pub(super) fn prose(&self) -> Vec<(usize, &str)> {
        let mut inside = false;
        let lines = self.text.lines().enumerate().filter(|(_, line)| {
            let fence = line.starts_with("```");
            inside ^= fence;
            !inside && !fence
        });
        lines.map(|(index, line)| (index + 1, line)).collect()
    }

    /// Targets of `[text](target)` within the repository.
    pub(super) fn links(&self) -> Vec<(usize, String)> {
        let mut links = Vec::new();
        for (line, text) in self.prose() {
            for rest in text.split("](").skip(1) {
                let target = rest.split(')').next().unwrap_or_default();
                if !target.contains("://") {
                    links.push((line, target.to_owned()));
                }
            }
        }
        links
    }

    /// Whether a file, or a heading of this page, answers to a link.
    pub(super) fn resolves(&self, target: &str) -> bool {
        let (path, heading) = target.split_once('#').unwrap_or((target, ""));
        let folder = Path::new(&self.path).parent().unwrap_or(Path::new(""));
        let there = path.is_empty() || root().join(folder).join(path).exists();
        let anchor = |line: &str| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .replace(' ', "-")
        };
        let mut headings = self.text.lines().filter(|line| line.starts_with('#'));
        there && (heading.is_empty() || headings.any(|line| anchor(line) == heading))
    }
}

impl Block {
    /// The commands of a program, continued lines joined, up to a pipe or a comment.
    pub(super) fn commands(&self, program: &str) -> Vec<(String, Vec<String>)> {
        let joined = self.text.replace("\\\n", " ");
        let words = |line: &str| -> Vec<String> {
            let command = line.split(" |").next().unwrap_or_default();
            let command = command.split(" #").next().unwrap_or_default();
            command.split_whitespace().map(str::to_owned).collect()
        };
        let called = |words: &Vec<String>| {
            let first = words.first().map(String::as_str).unwrap_or_default();
            first.rsplit('/').next() == Some(program)
        };
        let commands = joined.lines().map(words).filter(called);
        commands.map(|words| (self.place.clone(), words)).collect()
    }
}

fn collect(folder: &Path, into: &mut Vec<String>) {
    let entries = fs::read_dir(root().join(folder)).expect("docs can be read");
    let mut names: Vec<PathBuf> = entries
        .map(|entry| folder.join(entry.unwrap().file_name()))
        .collect();
    names.sort();
    for name in names {
        if root().join(&name).is_dir() {
            collect(&name, into);
        } else if name.extension().is_some_and(|extension| extension == "md") {
            into.push(name.to_str().unwrap().to_owned());
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
