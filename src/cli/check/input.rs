//! The input: every object of the files, and the documents that can't be read.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::check::CheckFailure;
use crate::cli::check::finding::{Finding, Place};
use crate::source::dir::documents::{self, documents, objects};
use crate::source::dir::walk;

/// The name of standard input, as in other tools.
const STDIN: &str = "-";

/// Everything that was read.
#[derive(Debug, Default)]
pub(crate) struct Input {
    /// In the order of files, then within a file.
    pub(crate) documents: Vec<Document>,
    /// Documents and files that can't be read.
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
        for (path, file) in walk::documents(folder).map_err(CheckFailure::List)? {
            match file.target {
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
        let mut content = content.take(documents::LARGEST_FILE + 1);
        content.read_to_end(&mut bytes).map_err(unread(name))?;
        match documents::text(bytes).and_then(|text| documents(&text)) {
            Ok(documents) => self.keep(name, documents),
            Err(why) => self.refuse(name, why),
        }
        Ok(())
    }

    fn keep(&mut self, name: &str, documents: Vec<documents::Document>) {
        let mut number = 0;
        for document in documents {
            let values = match document.content {
                Ok(content) => objects(content),
                Err(problem) => {
                    number += 1;
                    self.find(self.place(name, number), problem);
                    continue;
                }
            };
            for (_, value) in values {
                number += 1;
                let place = self.place(name, number);
                self.documents.push(Document { place, value });
            }
        }
        self.files += 1;
    }

    fn find(&mut self, place: Place, problem: String) {
        self.findings.push(Finding {
            place,
            subject: None,
            problem,
        });
    }

    fn refuse(&mut self, name: &str, problem: String) {
        self.find(self.place(name, 0), problem);
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

fn unread(name: &str) -> impl FnOnce(io::Error) -> CheckFailure {
    let name = name.to_owned();
    |source| CheckFailure::Read { name, source }
}
