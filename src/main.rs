//! The fusegate binary: parse, run, exit code.

use std::io::{BufWriter, IsTerminal as _};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use fusegate::app;
use fusegate::cli::simulate::Screen;
use fusegate::cli::style::{self, Colours};
use fusegate::cli::{Cli, Command};
use tokio::runtime::Runtime;

/// Lists of tens of thousands of objects come in bursts, and the default allocator keeps them.
/// A thread of its own gives back what a burst has left, or nobody would once all is quiet (decision 10).
/// Cargo's configuration says how soon (decision 12).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How `check`, `replay` and others like them end when they can't tell: not the code of files that were read and have problems.
const UNREAD: u8 = 2;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("fusegate: {}", told(&failure));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout();
    let colours = Colours::of(&out);
    match cli.command {
        Command::Run(options) => {
            app::init_logging(options.log_format);
            runtime()?.block_on(app::run(*options))?;
        }
        Command::OnCall(command) => return Ok(runtime()?.block_on(command.print(&mut out))?),
        Command::Proxies(proxies) => runtime()?.block_on(proxies.print(&mut out))?,
        Command::Doctor(doctor) => {
            return Ok(judged(runtime()?.block_on(doctor.print(colours, &mut out))));
        }
        Command::Shards(shards) => shards.print(&mut out)?,
        Command::Crds(crds) => crds.print(&mut out)?,
        Command::Contracts(contracts) => contracts.print(&mut out)?,
        Command::Check(check) => return Ok(judged(check.print(&mut out))),
        Command::Diff(diff) => {
            return Ok(judged(runtime()?.block_on(diff.print(colours, &mut out))));
        }
        Command::Lint(lint) => {
            return Ok(judged(runtime()?.block_on(lint.print(colours, &mut out))));
        }
        Command::Revisions(revisions) => runtime()?.block_on(revisions.print(&mut out))?,
        Command::Rollback(rollback) => {
            let bar = std::io::stderr().is_terminal();
            let ended = runtime()?.block_on(rollback.print(colours, bar, &mut out));
            return Ok(judged(ended));
        }
        Command::Replay(options) => {
            let mut out = BufWriter::new(out.lock());
            let replayed = app::replay(&options, &mut out, &mut std::io::stderr());
            return Ok(judged(replayed));
        }
        Command::Simulate(simulate) => {
            let screen = Screen {
                colours,
                width: style::width(&out),
                bar: std::io::stderr().is_terminal(),
            };
            runtime()?.block_on(simulate.print(screen, &mut out))?;
        }
        Command::Completions(completions) => completions.print(&mut out)?,
        Command::Man(man) => man.print(&mut out)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> anyhow::Result<Runtime> {
    Runtime::new().context("starting the runtime")
}

/// The exit code of a command that looks for something wrong: none, some, or it can't tell.
fn judged(found: Result<bool, impl Into<anyhow::Error>>) -> ExitCode {
    match found.map_err(Into::into) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("fusegate: {}", told(&failure));
            ExitCode::from(UNREAD)
        }
    }
}

/// A failure and its causes in one line. Some libraries repeat a cause in what they say themselves; that is
/// told once.
fn told(failure: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in failure.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_was_told_already_is_not_told_again() {
        let cause = anyhow::anyhow!("no such file").context("reading ~/.kube/config: no such file");
        let failure = cause.context("finding an API server");
        assert_eq!(
            told(&failure),
            "finding an API server: reading ~/.kube/config: no such file"
        );
    }
}
