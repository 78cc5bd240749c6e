//! A grid: rows of cells for a terminal, each column as wide as what is in it.

use std::io::{self, Write};

/// What stands where there is nothing to say.
pub(crate) const NOTHING: &str = "-";

/// Writes a head and rows. What stands in them is on one line each ([`cell`]).
pub(crate) fn write<const N: usize>(
    head: [&str; N],
    rows: &[[String; N]],
    out: &mut impl Write,
) -> io::Result<()> {
    let head = head.map(str::to_owned);
    let all = || std::iter::once(&head).chain(rows);
    let width = |column: usize| {
        let cells = all().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    for row in all() {
        let cells = row.iter().zip(widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        writeln!(out, "{}", line.join("  ").trim_end())?;
    }
    Ok(())
}

/// Text from outside on one line, cut where it is too long.
pub(crate) fn cell(text: &str, most: usize) -> String {
    if text.is_empty() {
        return NOTHING.to_owned();
    }
    let clean = text
        .chars()
        .map(|one| if one.is_control() { ' ' } else { one });
    let mut cell: String = clean.clone().take(most).collect();
    if clean.count() > most && most > 8 {
        cell.pop();
        cell.push('…');
    }
    cell
}
