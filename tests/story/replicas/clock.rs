//! A clock that is off: a library of a few lines that a process is started with, and that tells it another time of day.
//!
//! The monotonic clock stays right, as it does on a machine whose time of day was set wrongly.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

/// The kernel's own answer is moved, and nothing else is.
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = (int)syscall(SYS_clock_gettime, clock, now);
    const char *off = getenv("CLOCK_OFF_SECONDS");
    if (!failed && off && clock == CLOCK_REALTIME)
        now->tv_sec += atol(off);
    return failed;
}
"#;

/// The environment of a process whose time of day is so many seconds ahead.
pub(super) fn ahead(seconds: i64, folder: &Path) -> Result<Vec<(String, String)>> {
    let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
    fs::write(&source, SOURCE)?;
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status()
        .context("run cc, which a Rust toolchain links with")?;
    ensure!(compiled.success(), "cc failed: {compiled}");
    Ok(vec![
        ("LD_PRELOAD".to_owned(), library.display().to_string()),
        ("CLOCK_OFF_SECONDS".to_owned(), seconds.to_string()),
    ])
}
