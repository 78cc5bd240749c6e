//! The pages that the code writes: what is checked in is what it would write now.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::blocks::{self, Page};
use super::command_line;

const DECISIONS: &str = "docs/decisions";
const RUNBOOKS: &str = "docs/runbooks";

/// What stands above the list of decisions.
const DECISIONS_HEAD: &str = "\
# Decisions

Each page records one decision: what led to it, what was decided, and what follows.
`make generate` writes this list from the titles.

";

#[test]
fn the_generated_pages_are_what_the_code_generates() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let pages = [
        ("docs/cli.md", command_line::page()),
        ("docs/decisions/README.md", decisions_page()),
        ("docs/SUMMARY.md", summary()),
    ];
    for (path, page) in pages {
        let path = root.join(path);
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            fs::write(&path, &page).unwrap();
        }
        let checked_in = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            checked_in == page,
            "{} differs from what the code generates; run: make generate",
            path.display()
        );
    }
}

/// The pages of a folder but its own list: title and file name.
fn within(folder: &str) -> Vec<(String, String)> {
    let pages = blocks::pages().into_iter();
    let titled = pages.filter_map(|page| {
        let name = page.path.strip_prefix(folder)?.strip_prefix('/')?;
        let title = page.text.lines().next()?.strip_prefix("# ")?;
        (name != "README.md").then(|| (title.to_owned(), name.to_owned()))
    });
    let titled: Vec<_> = titled.collect();
    assert!(titled.len() > 10, "{folder} has only {titled:?}");
    titled
}

/// The list of decisions, by number.
fn decisions_page() -> String {
    let listed = within(DECISIONS).into_iter().map(|(title, name)| {
        let (number, title) = title.split_once(". ").expect(&name);
        let same = name.starts_with(&format!("{number:0>4}-"));
        assert!(same, "{name} begins with another number than its title");
        format!("{number}. [{title}]({name})\n")
    });
    format!("{DECISIONS_HEAD}{}", listed.collect::<String>())
}

/// The book's table of contents, as it is written, with the pages of two folders below their lists.
fn summary() -> String {
    let written = Page::read("docs/SUMMARY.md").text;
    let mut summary = String::new();
    for line in written.lines().filter(|line| !line.starts_with("  - ")) {
        summary.push_str(line);
        summary.push('\n');
        for folder in [RUNBOOKS, DECISIONS] {
            let below = folder.trim_start_matches("docs/");
            if line.ends_with(&format!("({below}/README.md)")) {
                for (title, name) in within(folder) {
                    writeln!(summary, "  - [{title}]({below}/{name})").unwrap();
                }
            }
        }
    }
    summary
}
