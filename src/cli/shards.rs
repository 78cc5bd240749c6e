//! `fusegate shards`: says which shard judges a namespace.

use std::io::{self, Write};

use clap::Args;
use clap::builder::RangedU64ValueParser;

use crate::runtime::shard::{MOST_SHARDS, Shard, Share};

/// Options of `fusegate shards`.
#[derive(Args, Clone, Debug)]
pub struct Shards {
    /// Namespaces.
    #[arg(required = true, value_name = "NAMESPACE")]
    pub namespaces: Vec<String>,

    /// How many shards there are, as in `run --shard`.
    #[arg(
        long,
        value_name = "TOTAL",
        value_parser = RangedU64ValueParser::<u16>::new().range(1..=u64::from(MOST_SHARDS))
    )]
    pub total: u16,

    /// fusegate's own namespace, which belongs to the first shard.
    #[arg(
        long,
        env = "FUSEGATE_NAMESPACE",
        default_value = "fusegate-system",
        value_name = "NAME"
    )]
    pub namespace: String,
}

impl Shards {
    /// Writes a line for each namespace: its shard, and its name.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let first = Shard::new(1, self.total).unwrap_or(Shard::WHOLE);
        let share = Share::new(first, self.namespace.as_str());
        for namespace in &self.namespaces {
            writeln!(out, "{} {namespace}", share.owner(namespace))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::cli::{Cli, Command};

    fn answer(args: &str) -> String {
        let line = format!("fusegate shards {args}");
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let Command::Shards(shards) = cli.command else {
            panic!("not shards")
        };
        let mut out = Vec::new();
        shards.print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_namespace_is_told_with_its_shard() {
        let told = answer("--total 3 fusegate-system shop");
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines[0], "1/3 fusegate-system");
        assert!(lines[1].ends_with("/3 shop"), "{told}");
    }

    #[test]
    fn as_many_as_there_can_not_be_are_refused() {
        let refused = Cli::try_parse_from(["fusegate", "shards", "--total", "65", "shop"]);
        assert!(refused.unwrap_err().to_string().contains("1..=64"));
    }
}
