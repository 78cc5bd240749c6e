//! `fusegate contracts`: lists the contracts that come with fusegate, and prints them.

mod shipped;

use std::io::{self, Write};

use clap::Args;

use crate::serve::verdict::nearest;
use shipped::Shipped;

const HEAD: [&str; 3] = ["NAME", "KIND", "FOR"];

/// Examples, for the help.
const EXAMPLES: &str = "\
Examples:
  fusegate contracts                                                    what there is
  fusegate contracts certificates.cert-manager.io                       a contract, and a policy to begin with
  fusegate contracts Certificate > certificates.yaml                    the same, by kind
  fusegate contracts jobs.batch deployments.apps | kubectl apply -f -   two of them";

/// Options of `fusegate contracts`.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Contracts {
    /// Contracts to print, by their names or kinds, instead of the list.
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

/// Why contracts could not be printed.
#[derive(Debug, thiserror::Error)]
pub enum Print {
    /// The output is closed or full.
    #[error("writing the contracts")]
    Write(#[from] io::Error),
    /// None of them is for this kind.
    #[error("no contract named \"{name}\" comes with fusegate; {}", hint(.meant.as_deref()))]
    Unknown {
        /// What was asked for.
        name: String,
        /// What was probably meant.
        meant: Option<String>,
    },
}

impl Contracts {
    /// Writes the list, or the named contracts as one stream of YAML documents.
    ///
    /// # Errors
    ///
    /// When a name is not known, before anything is written; when the output can't be written.
    pub fn print(&self, out: &mut impl Write) -> Result<(), Print> {
        if self.names.is_empty() {
            return Ok(list(out)?);
        }
        let found: Result<Vec<Shipped>, Print> = self.names.iter().map(|name| find(name)).collect();
        for contract in found? {
            writeln!(out, "---\n{}", contract.text.trim_end())?;
        }
        Ok(())
    }
}

fn list(out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<[&str; 3]> = [HEAD]
        .into_iter()
        .chain(shipped::all().map(|contract| [contract.name, contract.kind(), contract.about()]))
        .collect();
    let widest = |lengths: Vec<usize>| lengths.into_iter().max().unwrap_or(0);
    let names = widest(rows.iter().map(|[name, ..]| name.len()).collect());
    let kinds = widest(rows.iter().map(|[_, kind, _]| kind.len()).collect());
    for [name, kind, about] in &rows {
        writeln!(out, "{name:names$}  {kind:kinds$}  {about}")?;
    }
    Ok(())
}

/// The contract of a name, or of a kind, a plural or a group that no other one has.
fn find(name: &str) -> Result<Shipped, Print> {
    let named = shipped::all().find(|contract| contract.name.eq_ignore_ascii_case(name));
    let also = || {
        let mut found = shipped::all().filter(|contract| contract.is_called(name));
        found.next().filter(|_| found.next().is_none())
    };
    named.or_else(also).ok_or_else(|| {
        let known = shipped::all().flat_map(|contract| [contract.name, contract.kind()]);
        Print::Unknown {
            name: name.to_owned(),
            meant: nearest(name, known).map(str::to_owned),
        }
    })
}

fn hint(meant: Option<&str>) -> String {
    meant.map_or_else(
        || "`fusegate contracts` lists them".to_owned(),
        |meant| format!("did you mean \"{meant}\"?"),
    )
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn print(names: &[&str]) -> Result<String, Print> {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let mut out = Vec::new();
        Contracts { names }.print(&mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn each_is_on_one_line_of_the_list_with_its_kind_and_what_it_is_for() {
        let list = print(&[]).unwrap();
        assert_eq!(list.lines().count(), shipped::all().count() + 1);
        let line = list.lines().find(|line| line.starts_with("jobs.batch "));
        let cells: Vec<&str> = line.unwrap().split_whitespace().take(4).collect();
        assert_eq!(cells, ["jobs.batch", "Job", "Kubernetes", "Jobs:"]);
    }

    #[rstest]
    #[case::by_name("certificates.cert-manager.io")]
    #[case::by_kind("Certificate")]
    #[case::by_plural("certificates")]
    #[case::by_group("cert-manager.io")]
    #[case::in_any_case("CERTIFICATES.cert-manager.io")]
    fn one_is_printed_as_it_is_shipped(#[case] name: &str) {
        let shipped = include_str!("../../deploy/contracts/certificates.cert-manager.io.yaml");
        assert_eq!(print(&[name]).unwrap(), format!("---\n{shipped}"));
    }

    #[rstest]
    #[case::misspelled(
        "certificate.cert-manager.io",
        "did you mean \"certificates.cert-manager.io\"?"
    )]
    #[case::of_a_kind("Certficate", "did you mean \"Certificate\"?")]
    #[case::of_several("argoproj.io", "`fusegate contracts` lists them")]
    #[case::of_none("storefronts.shop.example.com", "`fusegate contracts` lists them")]
    fn what_is_not_there_is_an_error_with_what_was_meant(#[case] name: &str, #[case] hint: &str) {
        let refused = print(&["jobs.batch", name]).unwrap_err().to_string();
        let expected = format!("no contract named \"{name}\" comes with fusegate; {hint}");
        assert_eq!(refused, expected);
    }
}
