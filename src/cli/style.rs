//! Styles: colour for people at a terminal, and plain text for everyone else.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use anstyle::{AnsiColor, Style};

/// The width of what is no terminal.
const WIDTH: usize = 100;

/// How many characters fit on a line of the output.
#[must_use]
pub fn width(output: &impl AsFd) -> usize {
    let size = terminal_size::terminal_size_of(output);
    size.map_or(WIDTH, |(width, _)| width.0.into())
}

/// Whether what is written is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colours(bool);

impl Colours {
    /// As the output can take it: at a terminal, unless `NO_COLOR` is set.
    #[must_use]
    pub fn of(output: &impl IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(output.is_terminal() && !refused)
    }

    /// None.
    #[must_use]
    pub const fn none() -> Self {
        Self(false)
    }

    /// Text in a colour.
    pub(crate) fn paint(self, colour: AnsiColor, text: &str) -> String {
        self.styled(colour.on_default(), text)
    }

    /// Text in bold.
    pub(crate) fn bold(self, text: &str) -> String {
        self.styled(Style::new().bold(), text)
    }

    fn styled(self, style: Style, text: &str) -> String {
        if self.0 {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals_only() {
        assert_eq!(Colours::none().paint(AnsiColor::Red, "a"), "a");
        assert_eq!(
            Colours(true).paint(AnsiColor::Red, "a"),
            "\u{1b}[31ma\u{1b}[0m"
        );
    }
}
