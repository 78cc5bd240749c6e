//! The command line as a page: every command with its options, made from what clap knows of them.

use std::fmt::Write as _;

use clap::{Arg, Command, CommandFactory as _};
use fusegate::cli::Cli;

const HEAD: &str = "\
# Command line

This page lists every command and option.
`make generate` writes it from the options in `src/cli`, and a test fails when it differs from them.
";

/// The page.
pub(super) fn page() -> String {
    let mut program = Cli::command();
    program.build();
    let mut page = HEAD.to_owned();
    for command in program.get_subcommands_mut() {
        describe(command, &mut page);
    }
    page
}

fn describe(command: &mut Command, page: &mut String) {
    let name = command.get_bin_name().unwrap_or_default().to_owned();
    if command.get_name() == "help" {
        return;
    }
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let about = command.get_long_about().or(command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    write!(
        page,
        "\n## {name}\n\n{}\n\n```text\n{usage}\n```\n",
        sentence(&about).replace(". ", ".\n")
    )
    .unwrap();
    let mut heading = None;
    let mut begun = false;
    for argument in command.get_arguments().filter(|argument| is_own(argument)) {
        if !begun || argument.get_help_heading() != heading {
            heading = argument.get_help_heading();
            let title = heading.map_or(String::new(), |title| format!("{title}:\n\n"));
            let columns = "| option | default | environment | meaning |\n|---|---|---|---|\n";
            write!(page, "\n{title}{columns}").unwrap();
            begun = true;
        }
        page.push_str(&row(argument));
    }
    if let Some(more) = command.get_after_help() {
        write!(page, "\n```text\n{more}\n```\n").unwrap();
    }
    for inner in command.get_subcommands_mut() {
        describe(inner, page);
    }
}

/// Whether an argument is ours, and not one that every command has.
fn is_own(argument: &Arg) -> bool {
    !["help", "version"].contains(&argument.get_id().as_str())
}

fn row(argument: &Arg) -> String {
    let values = argument.get_value_names().unwrap_or_default();
    let takes_value = argument.get_action().takes_values();
    let value = values.first().filter(|_| takes_value);
    let option = match (argument.get_long(), argument.get_short()) {
        (Some(long), Some(short)) => format!("-{short}, --{long}"),
        (Some(long), None) => format!("--{long}"),
        _ => String::new(),
    };
    let option = match value {
        Some(value) => format!("{option} <{value}>").trim_start().to_owned(),
        None => option,
    };
    let defaults = argument.get_default_values().iter();
    let defaults: Vec<String> = defaults
        .filter(|_| takes_value)
        .map(|default| format!("`{}`", default.to_string_lossy()))
        .collect();
    let default = if argument.is_required_set() {
        "required".to_owned()
    } else {
        defaults.join(", ")
    };
    let environment = argument
        .get_env()
        .map(|name| format!("`{}`", name.display()));
    let help = argument.get_long_help().or(argument.get_help());
    let mut meaning = sentence(&help.map(ToString::to_string).unwrap_or_default());
    for choice in argument
        .get_possible_values()
        .iter()
        .filter(|_| takes_value)
    {
        let help = choice
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        write!(meaning, " `{}`: {}", choice.get_name(), sentence(&help)).unwrap();
    }
    let cells = [
        format!("`{option}`"),
        default,
        environment.unwrap_or_default(),
        meaning,
    ];
    let cells = cells.map(|cell| cell.replace('\n', " ").replace('|', "\\|"));
    format!("| {} |\n", cells.join(" | "))
}

/// Help with the full stop that clap takes away.
fn sentence(help: &str) -> String {
    let help = help.trim();
    let ended = help.is_empty() || help.ends_with(['.', '?', ')']);
    format!("{help}{}", if ended { "" } else { "." })
}
