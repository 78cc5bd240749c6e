//! The table: a line for each proxy and type, as wide as what is in it.

use std::io::{self, Write};

use crate::cli::grid::{self, NOTHING, cell};
use crate::serve::proxies::{Proxy, Type};

const HEAD: [&str; 9] = [
    "NODE",
    "CLUSTER",
    "ADDRESS",
    "TRANSPORT",
    "TYPE",
    "NAMES",
    "ACKED",
    "BEHIND",
    "LAST REFUSED",
];

/// The most characters of a cell, the last one's apart.
const WIDE: usize = 40;

/// The most characters of a refusal.
const WORDS: usize = 120;

/// Writes the table.
pub(super) fn write(proxies: &[Proxy], out: &mut impl Write) -> io::Result<()> {
    let mut rows = Vec::new();
    for proxy in proxies {
        if proxy.types.is_empty() {
            rows.push(row(proxy, None));
        }
        rows.extend(proxy.types.iter().map(|one| row(proxy, Some(one))));
    }
    grid::write(HEAD, &rows, out)
}

fn row(proxy: &Proxy, of_type: Option<&Type>) -> [String; HEAD.len()] {
    let told = |tell: fn(&Type) -> String| of_type.map_or_else(nothing, tell);
    [
        cell(&proxy.node, WIDE),
        cell(&proxy.cluster, WIDE),
        cell(proxy.address.as_deref().unwrap_or_default(), WIDE),
        proxy.transport.clone(),
        told(|one| one.name.rsplit('.').next().unwrap_or_default().to_owned()),
        told(names),
        told(|one| {
            let version = one.acked.as_ref().map(|acked| acked.version.as_str());
            cell(version.unwrap_or_default(), 8)
        }),
        told(behind),
        told(refused),
    ]
}

/// The names, the first three of them.
fn names(of_type: &Type) -> String {
    let listed = of_type.names.iter().take(3).map(|name| {
        let mark = if name.permitted { "" } else { " (denied)" };
        format!("{}{mark}", cell(&name.name, WIDE))
    });
    let all = of_type.wildcard.then(|| "*".to_owned());
    let mut names: Vec<String> = all.into_iter().chain(listed).collect();
    let more = of_type.subscribed.saturating_sub(3);
    if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}

fn behind(of_type: &Type) -> String {
    let behind = &of_type.behind;
    match behind.names {
        0 => nothing(),
        names => format!(
            "{names} name{} by {}, {} s",
            if names == 1 { "" } else { "s" },
            behind.versions,
            behind.seconds
        ),
    }
}

fn refused(of_type: &Type) -> String {
    of_type.nacked.as_ref().map_or_else(nothing, |refusal| {
        let time = refusal.time.as_deref().unwrap_or_default();
        format!("{time} {}", cell(&refusal.message, WORDS))
    })
}

fn nothing() -> String {
    NOTHING.to_owned()
}
