//! The input: every document of the files, and what of them is no document.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::check::CheckFailure;
use crate::cli::check::finding::{Finding, Place};
use crate::source::dir::{walk, yaml};

/// How standard input is given, as in other tools.
const STDIN: &str = "-";

/// All that was read.
#[derive(Debug, Default)]
pub(crate) struct Input {
    /// In the order of files, then within a file.
    pub(crate) documents: Vec<Document>,
    /// Files that are no YAML.
    pub(crate) findings: Vec<Finding>,
    files: usize,
}

/// One document.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// Reads files, and in directories every file that the directory source would read.
pub(crate) fn read(paths: &[PathBuf], mut stdin: impl Read) -> Result<Input, CheckFailure> {
    let mut input = Input::default();
    for path in paths {
        let name = path.display().to_string();
        if name == STDIN {
            input.take("<stdin>", &mut stdin)?;
        } else if fs::metadata(path).map_err(unread(&name))?.is_dir() {
            input.folder(path)?;
        } else {
            input.file(path)?;
        }
    }
    Ok(input)
}

impl Input {
    fn folder(&mut self, folder: &Path) -> Result<(), CheckFailure> {
        for (path, sight) in walk::documents(folder).map_err(CheckFailure::List)? {
            match sight.target {
                Ok(_) => self.file(&folder.join(path))?,
                Err(why) => self.refuse(&folder.join(path).display().to_string(), why),
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path) -> Result<(), CheckFailure> {
        let name = path.display().to_string();
        let file = File::open(path).map_err(unread(&name))?;
        self.take(&name, file)
    }

    fn take(&mut self, name: &str, content: impl Read) -> Result<(), CheckFailure> {
        let mut bytes = Vec::new();
        let mut content = content.take(yaml::LARGEST_FILE + 1);
        content.read_to_end(&mut bytes).map_err(unread(name))?;
        match documents(&bytes) {
            Ok(values) => self.keep(name, values),
            Err(why) => self.refuse(name, why),
        }
        Ok(())
    }

    fn keep(&mut self, name: &str, values: Vec<Value>) {
        for (index, value) in values.into_iter().enumerate() {
            let place = self.place(name, index + 1);
            self.documents.push(Document { place, value });
        }
        self.files += 1;
    }

    fn refuse(&mut self, name: &str, problem: String) {
        self.findings.push(Finding {
            place: self.place(name, 0),
            subject: None,
            problem,
        });
        self.files += 1;
    }

    fn place(&self, file: &str, document: usize) -> Place {
        Place {
            order: self.files,
            file: file.to_owned(),
            document,
        }
    }
}

fn documents(bytes: &[u8]) -> Result<Vec<Value>, String> {
    if u64::try_from(bytes.len()).is_ok_and(|length| length > yaml::LARGEST_FILE) {
        return Err(format!(
            "it has more than {} bytes, which is the limit; split it",
            yaml::LARGEST_FILE
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        format!("it is not UTF-8 from byte {at} on; save it as UTF-8")
    })?;
    yaml::documents(text)
}

fn unread(name: &str) -> impl FnOnce(io::Error) -> CheckFailure {
    let name = name.to_owned();
    |source| CheckFailure::Read { name, source }
}
