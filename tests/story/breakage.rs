//! A breakage: one way in which the file of an object can't be read.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::folder::{self, Folder};

/// One way in which the file of an object can't be read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Breakage {
    /// Its writer died in the middle of the document.
    HalfDocument,
    /// It holds another document first, and ends in the middle of this one.
    HalfOfSeveral,
    Empty,
    LinkOutside,
    LinkNowhere,
    LinkToItself,
    LinkToFolder,
    Pipe,
    Binary,
    NullBytes,
    Bomb,
    Nest,
    TooLarge,
    TooMany,
    Forbidden,
}

impl Breakage {
    pub(super) const ALL: [Self; 15] = [
        Self::HalfDocument,
        Self::HalfOfSeveral,
        Self::Empty,
        Self::LinkOutside,
        Self::LinkNowhere,
        Self::LinkToItself,
        Self::LinkToFolder,
        Self::Pipe,
        Self::Binary,
        Self::NullBytes,
        Self::Bomb,
        Self::Nest,
        Self::TooLarge,
        Self::TooMany,
        Self::Forbidden,
    ];

    /// Does it to the object's file, and returns what the message must name.
    pub(super) fn make(self, folder: &Folder, object: &str) -> Result<Vec<String>> {
        let path = folder.watched.join(folder::file_of(object));
        let text = folder.text_of(object)?;
        let half = text.get(..text.len() / 2).context("half of it")?;
        let written = |bytes: &[u8], named: &[&str]| {
            fs::write(&path, bytes)?;
            Ok(named.iter().map(|part| (*part).to_owned()).collect())
        };
        match self {
            Self::HalfDocument => written(half.as_bytes(), &["line "]),
            Self::HalfOfSeveral => {
                let whole = text.replace(object, "another");
                written(format!("{whole}\n---\n{half}").as_bytes(), &["line "])
            }
            Self::Empty => written(b"", &["the file is empty"]),
            Self::Binary => written(
                &[0xff, 0xfe, 0x80, 0, 1, 2, b'\n'],
                &["not UTF-8", "byte 0"],
            ),
            Self::NullBytes => written(&[0; 4_096], &["line "]),
            Self::Bomb => written(bomb().as_bytes(), &["alias"]),
            Self::Nest => {
                let nest = format!("a: {}{}\n", "[".repeat(5_000), "]".repeat(5_000));
                written(nest.as_bytes(), &["line 1"])
            }
            Self::TooLarge => {
                let large = format!("a: {}\n", "x".repeat(17 << 20));
                let bytes = large.len().to_string();
                written(large.as_bytes(), &[bytes.as_str(), "16777216"])
            }
            Self::TooMany => written("---\na: 1\n".repeat(10_001).as_bytes(), &["documents"]),
            Self::Forbidden => {
                fs::set_permissions(&path, Permissions::from_mode(0o000))?;
                Ok(vec!["make it readable".to_owned()])
            }
            _ => self.replace(&path, &text),
        }
    }

    /// Puts something that is no file in the file's place.
    fn replace(self, path: &Path, text: &str) -> Result<Vec<String>> {
        let named = match self {
            Self::LinkOutside => {
                let outside = path.with_file_name("../outside.yaml");
                fs::write(&outside, text)?;
                link(&outside, path)?;
                "leaves the directory"
            }
            Self::LinkNowhere => {
                link(Path::new("nowhere.yaml"), path)?;
                "leads nowhere"
            }
            Self::LinkToItself => {
                link(Path::new(path.file_name().context("a name")?), path)?;
                "leads nowhere"
            }
            Self::LinkToFolder => {
                let below = path.with_file_name("below");
                fs::create_dir_all(&below)?;
                link(&below, path)?;
                "link to a folder"
            }
            Self::Pipe => {
                fs::remove_file(path)?;
                let made = Command::new("mkfifo").arg(path).status()?;
                ensure!(made.success(), "mkfifo: {made}");
                "not a regular file"
            }
            _ => bail!("{self:?} is made in another way"),
        };
        Ok(vec![named.to_owned()])
    }
}

/// Puts a link in a file's place at once, as a rename does.
pub(super) fn link(target: &Path, path: &Path) -> Result<()> {
    let beside = path.with_file_name(".link");
    symlink(target, &beside)?;
    Ok(fs::rename(beside, path)?)
}

/// A text that would be a billion values.
fn bomb() -> String {
    let lines = (1..10).map(|level| {
        let alias = format!("*a{}", level - 1);
        format!(
            "a{level}: &a{level} [{}]\n",
            [alias.as_str(); 10].join(", ")
        )
    });
    let first = format!("a0: &a0 [{}]\n", ["x"; 10].join(", "));
    std::iter::once(first).chain(lines).collect()
}
