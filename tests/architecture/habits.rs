//! The habits: what every source file of the house looks like.

use super::paths;
use super::tree::Source;
use super::violation::Violation;

/// A file past this has a second noun in it. Tests apart.
const MAX_LINES: usize = 400;

/// A function's name past this is a paragraph, that of a test too.
const MAX_NAME: usize = 69;

/// Marks of work that is not done, or not run.
const UNFINISHED: [&str; 4] = ["todo!", "unimplemented!", "dbg!", "#[ignore"];

/// Waiting for time to pass instead of for something to happen.
const SLEEPS: [&str; 3] = ["std::thread::sleep", "thread::sleep", "tokio::time::sleep"];

/// Where a source breaks a habit.
pub(super) fn violations(source: &Source) -> Vec<Violation> {
    let mut found = Vec::new();
    found.extend(first_line(source));
    found.extend(length(source));
    found.extend(module_file(source));
    found.extend(unfinished(source));
    found.extend(named(source));
    found.extend(long_names(source));
    found
}

fn violation(source: &Source, line: usize, rule: impl Into<String>) -> Violation {
    Violation {
        path: source.path.clone(),
        line,
        rule: rule.into(),
    }
}

fn first_line(source: &Source) -> Option<Violation> {
    let begins = source.text.starts_with("//! ");
    (!begins).then(|| {
        violation(
            source,
            1,
            "the first line is `//! ` and defines the file's noun",
        )
    })
}

fn length(source: &Source) -> Option<Violation> {
    // In-file tests are blanked, and stand last.
    let lines = source.code.trim_end().lines().count();
    let long = !source.tests && lines > MAX_LINES;
    long.then(|| {
        let rule = format!(
            "{lines} lines; past {MAX_LINES} there is a second noun in a file, give it its own"
        );
        violation(source, lines, rule)
    })
}

fn long_names(source: &Source) -> Vec<Violation> {
    let code = super::scan::without_comments_and_texts(&source.text);
    let mut found = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let name = line.split_once("fn ").map_or("", |(_, rest)| rest);
        let name = name.split(['(', '<']).next().unwrap_or_default();
        if name.len() > MAX_NAME {
            let rule = format!("a name of {} characters; {MAX_NAME} are enough", name.len());
            found.push(violation(source, index + 1, rule));
        }
    }
    found
}

fn module_file(source: &Source) -> Option<Violation> {
    let named = source.path.ends_with("/mod.rs");
    named.then(|| {
        violation(
            source,
            1,
            "modules are `foo.rs` beside `foo/`, never mod.rs",
        )
    })
}

fn unfinished(source: &Source) -> Vec<Violation> {
    // In-file tests are blanked in `code`, but a test that is ignored is told too.
    let code = super::scan::without_comments_and_texts(&source.text);
    let mut found = Vec::new();
    for (index, line) in code.lines().enumerate() {
        for mark in UNFINISHED.into_iter().filter(|mark| line.contains(mark)) {
            let mark = if mark.starts_with('#') {
                "#[ignore]"
            } else {
                mark
            };
            found.push(violation(
                source,
                index + 1,
                format!("`{mark}` is unfinished work"),
            ));
        }
    }
    found
}

fn named(source: &Source) -> Vec<Violation> {
    let code = super::scan::without_comments_and_texts(&source.text);
    let named = paths::named(
        &source.path,
        if source.tests { &code } else { &source.code },
    );
    // The waiting itself has to be done somewhere, and that is where.
    let sleepless = source.tests
        && !source.path.starts_with("tests/support/")
        && !source.path.ends_with("/wait.rs");
    let rule = |path: &str, public: bool| {
        if public && path.ends_with("::*") {
            Some(
                "a glob re-export hides where a name comes from; name what you re-export"
                    .to_owned(),
            )
        } else if sleepless && SLEEPS.contains(&path) {
            Some(format!(
                "`{path}`: tests wait for a condition with a deadline, or on a paused clock"
            ))
        } else {
            None
        }
    };
    let found = named
        .iter()
        .filter_map(|named| Some((named.line, rule(&named.path, named.public)?)));
    found
        .map(|(line, rule)| violation(source, line, rule))
        .collect()
}
