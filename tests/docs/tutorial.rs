//! A tutorial, run word for word by a shell; only its ports are others, since those may be taken here.

use std::fmt::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::blocks::{Block, Page};
use super::output;
use crate::support::fusegate::program;
use crate::support::scratch::Scratch;
use crate::support::servers::{assets, ports};

/// The ports on the page: fusegate's two, and Envoy's admin port, listener and service.
const PORTS: [&str; 5] = ["8080", "18000", "9901", "10000", "10001"];

/// What stands before the output of each block; no command of the page prints it.
const MARK: &str = "\n== block ";

/// Ends whatever the script has started, however the script ends.
const PROLOGUE: &str =
    "set -euo pipefail\nexec 2>&1\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n";

/// One block of commands, and the output that the page shows below it.
struct Step {
    commands: Block,
    shown: Option<Block>,
}

/// Runs a page, and compares what each of its blocks prints, of which there are at least so many.
pub(super) fn run(page: &str, least: usize) -> Result<()> {
    let steps = steps(&Page::read(page));
    ensure!(steps.len() >= least, "{page} has {} blocks", steps.len());
    let output = shell(&steps)?;
    let printed = String::from_utf8(output.stdout)?;
    ensure!(output.status.success(), "{}: {printed}", output.status);
    let printed: Vec<&str> = printed.split(MARK).skip(1).collect();
    ensure!(printed.len() == steps.len(), "{printed:?}");
    for (step, printed) in steps.iter().zip(printed) {
        if let Some(shown) = &step.shown {
            output::shows(&shown.place, &shown.text, printed)?;
        }
    }
    Ok(())
}

fn steps(page: &Page) -> Vec<Step> {
    let mut shown = page.blocks("text");
    let commands = page.blocks("sh").into_iter();
    let steps = commands.map(|commands| {
        let below = shown
            .iter()
            .position(|shown| shown.line == commands.end + 2);
        let shown = below.map(|index| shown.remove(index));
        Step { commands, shown }
    });
    steps.collect()
}

fn shell(steps: &[Step]) -> Result<Output> {
    let mut script = PROLOGUE.to_owned();
    for (index, step) in steps.iter().enumerate() {
        writeln!(script, "printf '{}{index}\\n'", MARK.escape_default())?;
        script.push_str(&step.commands.text);
    }
    let mut given = Vec::new();
    for port in PORTS {
        let free = ports::free()?.to_string();
        script = script.replace(&format!(":{port}/"), &format!(":{free}/"));
        script = script.replace(
            &format!("port_value: {port}}}"),
            &format!("port_value: {free}}}"),
        );
        given.push(free);
    }
    let scratch = Scratch::new("tutorial")?;
    let (fusegate, envoy) = (program()?, assets::program("envoy")?);
    let folders = [&fusegate, &envoy].map(|program| program.parent().unwrap().to_path_buf());
    let path = std::env::var_os("PATH").context("no PATH")?;
    let path = std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&path)))?;
    let output = Command::new("timeout")
        .args(["120", "bash", "-c", &script])
        .current_dir(scratch.path())
        .env("PATH", path)
        .env("FUSEGATE_HTTP_LISTEN", format!("127.0.0.1:{}", given[0]))
        .env("FUSEGATE_SERVER", format!("http://127.0.0.1:{}", given[0]))
        .env("FUSEGATE_XDS_LISTEN", format!("127.0.0.1:{}", given[1]))
        .stdin(Stdio::null())
        .process_group(0)
        .output()?;
    Ok(output)
}
