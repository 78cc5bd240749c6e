//! A process of the swarm: it is told what to do by lines, and answers each with one.

use std::env;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// How a server is started.
pub(crate) struct Program {
    pub(crate) name: String,
    command: Vec<String>,
}

impl Program {
    pub(crate) fn own() -> Self {
        let own = env::current_exe().unwrap().display().to_string();
        Self {
            name: "fusegate-xds".into(),
            command: vec![own, "server".into()],
        }
    }

    /// The bare wire, to compare with.
    pub(crate) fn bare() -> Self {
        let own = env::current_exe().unwrap().display().to_string();
        Self {
            name: "the bare wire: the same bytes and no protocol".into(),
            command: vec![own, "bare".into()],
        }
    }

    /// A program with its arguments, separated by spaces.
    pub(crate) fn peer(line: &str) -> Self {
        let command: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let name = command[0].rsplit('/').next().unwrap_or_default();
        let name = format!("{name} {}", command[1..].join(" "));
        Self { name, command }
    }

    pub(crate) fn start(&self) -> Process {
        Process::start(&self.command)
    }
}

/// A running process, which ends when its input does.
pub(crate) struct Process {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    pub(crate) fn start(command: &[String]) -> Self {
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} can't be started: {error}"));
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let stdin = child.stdin.take().unwrap();
        Self {
            child,
            stdin,
            lines,
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    pub(crate) async fn line(&mut self) -> String {
        let line = self.lines.next_line().await.unwrap();
        line.expect("the process lives")
    }

    /// Tells it something, without waiting for the answer.
    pub(crate) async fn tell(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.stdin.write_all(line.as_bytes()).await.unwrap();
    }

    pub(crate) async fn ask(&mut self, line: &str) -> String {
        self.tell(line).await;
        self.line().await
    }

    pub(crate) async fn stop(mut self) {
        self.stdin.shutdown().await.unwrap();
        drop(self.stdin);
        self.child.wait().await.unwrap();
    }
}
