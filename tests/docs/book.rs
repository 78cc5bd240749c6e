//! The book: the pages as the real mdBook builds them, in which every link within the book leads somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use regex::Regex;

use crate::support::scratch::Scratch;
use crate::support::servers::assets;

/// The pages of a built book, each with the names that can be linked to in it.
struct Book {
    folder: PathBuf,
    pages: BTreeMap<PathBuf, String>,
    names: BTreeMap<PathBuf, BTreeSet<String>>,
}

impl Book {
    fn build(folder: &Path) -> Result<Self> {
        let mut mdbook = Command::new(assets::program("mdbook")?);
        let built = mdbook
            .args(["build", "docs", "--dest-dir"])
            .arg(folder)
            .output()?;
        let told = String::from_utf8_lossy(&built.stderr);
        ensure!(built.status.success() && !told.contains("WARN"), "{told}");
        let name = Regex::new(r#"\bid="([^"]+)""#)?;
        let (mut pages, mut names) = (BTreeMap::new(), BTreeMap::new());
        for path in files(folder)? {
            if path.extension() != Some(OsStr::new("html")) {
                continue;
            }
            let text = fs::read_to_string(&path)?;
            let found = name.captures_iter(&text).map(|found| found[1].to_owned());
            names.insert(path.clone(), found.collect());
            pages.insert(path, text);
        }
        Ok(Self {
            folder: folder.to_owned(),
            pages,
            names,
        })
    }

    /// Fails unless what a page links to is there.
    fn follow(&self, page: &Path, link: &str) -> Result<()> {
        let (path, name) = link.split_once('#').unwrap_or((link, ""));
        let target = match path {
            "" => page.to_owned(),
            _ => page.parent().context("a page is in a folder")?.join(path),
        };
        let target = fs::canonicalize(&target).with_context(|| format!("{link} does not exist"))?;
        ensure!(
            target.starts_with(&self.folder),
            "{link} leads out of the book"
        );
        let names = self.names.get(&target);
        let is_there = name.is_empty() || names.is_some_and(|names| names.contains(name));
        ensure!(is_there, "{link}: nothing has that name");
        Ok(())
    }
}

/// All files of a folder, and of those in it.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(self::files(&path)?);
        } else {
            files.push(path);
        }
    }
    Ok(files)
}

#[test]
fn every_link_in_the_book_leads_somewhere() -> Result<()> {
    let scratch = Scratch::new("book")?;
    let book = Book::build(&fs::canonicalize(scratch.path())?.join("book"))?;
    let link = Regex::new(r#"\b(?:href|src)="([^"]*)""#)?;
    let (mut followed, mut dead) = (0, Vec::new());
    for (page, text) in &book.pages {
        let links = link.captures_iter(text).map(|found| found[1].to_owned());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with("mailto:")) {
            followed += 1;
            if let Err(error) = book.follow(page, &link) {
                let page = page.strip_prefix(&book.folder)?;
                dead.push(format!("{}: {error:#}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
    assert!(followed > 1_000, "only {followed} links");
    Ok(())
}
