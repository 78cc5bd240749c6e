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
    /// The lines of its two fences, from 1.
    pub(super) line: usize,
    pub(super) end: usize,
    pub(super) text: String,
}

/// The pages at the top, everything under docs, and what deploy says of itself.
pub(super) fn pages() -> Vec<Page> {
    let top = [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "xds/README.md",
    ];
    let mut paths = top.map(str::to_owned).to_vec();
    collect(Path::new("docs"), &mut paths);
    collect(Path::new("deploy"), &mut paths);
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
                (Some(block), Some(_)) => {
                    block.end = index + 1;
                    blocks.extend(open.take());
                }
                (Some(block), None) => block.text.extend([line, "\n"]),
                (None, Some(info)) => {
                    let place = format!("{}:{}", self.path, index + 1);
                    open = Some(Block {
                        place: format!("{place} {info}"),
                        line: index + 1,
                        end: 0,
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
            // Every second piece between backticks is code.
            let text: String = text.split('`').step_by(2).collect();
            for rest in text.split("](").skip(1) {
                let target = rest.split(')').next().unwrap_or_default();
                if !target.contains("://") {
                    links.push((line, target.to_owned()));
                }
            }
        }
        links
    }

    /// Whether a file, and a heading in it, answers to a link.
    pub(super) fn resolves(&self, target: &str) -> bool {
        let (path, heading) = target.split_once('#').unwrap_or((target, ""));
        let folder = Path::new(&self.path).parent().unwrap_or(Path::new(""));
        let path = match path {
            "" => PathBuf::from(&self.path),
            path => folder.join(path),
        };
        let there = root().join(&path).exists();
        there && (heading.is_empty() || Self::read(path.to_str().unwrap()).has_heading(heading))
    }

    /// Whether a heading has an anchor, as forges and mdBook make them.
    fn has_heading(&self, anchor: &str) -> bool {
        let headings = self.prose().into_iter().map(|(_, line)| line);
        let mut headings = headings.filter(|line| line.starts_with('#'));
        headings.any(|line| {
            let title = line.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter_map(|char| match char {
                ' ' => Some('-'),
                '-' | '_' => Some(char),
                _ => char.is_alphanumeric().then_some(char),
            });
            kept.eq(anchor.chars())
        })
    }
}

impl Block {
    /// The commands of a program, continued lines joined, up to a pipe, a redirection or a comment.
    pub(super) fn commands(&self, program: &str) -> Vec<(String, Vec<String>)> {
        let joined = self.text.replace("\\\n", " ");
        let words = |line: &str| -> Vec<String> {
            let ends = [" |", " #", " 2>", " &"];
            let command = ends
                .iter()
                .fold(line, |line, end| line.split(end).next().unwrap_or(""));
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
