//! `fusegate completions` and `fusegate man`: what shells and `man` know of the commands.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;

const COMPLETIONS: &str = "\
Examples:
  fusegate completions bash > /etc/bash_completion.d/fusegate
  fusegate completions zsh > \"${fpath[1]}/_fusegate\"";

const MAN: &str = "\
Examples:
  fusegate man --directory /usr/local/share/man/man1
  fusegate man | man -l -";

/// Options of `fusegate completions`.
#[derive(Args, Clone, Debug)]
#[command(after_help = COMPLETIONS)]
pub struct Completions {
    /// Which shell.
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

/// Options of `fusegate man`.
#[derive(Args, Clone, Debug)]
#[command(after_help = MAN)]
pub struct Man {
    /// Write a page for each command into this directory, instead of the page of fusegate itself to the output.
    #[arg(long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

/// Why a page was not written.
#[derive(Debug, thiserror::Error)]
pub enum Unpaged {
    /// Into a directory.
    #[error("writing man pages into {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the file system said.
        #[source]
        source: io::Error,
    },
    /// To the output.
    #[error("writing the answer")]
    Write(#[from] io::Error),
}

impl Completions {
    /// Writes what the shell is to run.
    ///
    /// # Errors
    ///
    /// When the output can't be written.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        // It is made as a whole first: what makes it takes a closed output for a defect.
        let mut script = Vec::new();
        let mut program = Cli::command();
        let name = program.get_name().to_owned();
        clap_complete::generate(self.shell, &mut program, name, &mut script);
        out.write_all(&script)
    }
}

impl Man {
    /// Writes the page, or all of them.
    ///
    /// # Errors
    ///
    /// When they can't be written.
    pub fn print(&self, out: &mut impl Write) -> Result<(), Unpaged> {
        let Some(path) = &self.directory else {
            return Ok(clap_mangen::Man::new(Cli::command()).render(out)?);
        };
        clap_mangen::generate_to(Cli::command(), path).map_err(|source| Unpaged::Directory {
            path: path.clone(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_is_told_of_every_command() {
        for shell in [
            Shell::Bash,
            Shell::Zsh,
            Shell::Fish,
            Shell::PowerShell,
            Shell::Elvish,
        ] {
            let mut out = Vec::new();
            Completions { shell }.print(&mut out).unwrap();
            let script = String::from_utf8(out).unwrap();
            for command in Cli::command().get_subcommands() {
                assert!(
                    script.contains(command.get_name()),
                    "{shell}: {}",
                    command.get_name()
                );
            }
        }
    }

    #[test]
    fn every_command_has_a_man_page() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Some(folder.path().to_owned());
        Man { directory }.print(&mut Vec::new()).unwrap();
        for command in Cli::command().get_subcommands() {
            let page = folder
                .path()
                .join(format!("fusegate-{}.1", command.get_name()));
            assert!(page.is_file(), "{}", page.display());
        }
        let mut out = Vec::new();
        Man { directory: None }.print(&mut out).unwrap();
        assert!(String::from_utf8(out).unwrap().contains(".TH fusegate 1"));
    }
}
