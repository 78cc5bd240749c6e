//! gRPC clients of every language: each scenario under every client that has what it needs.
//!
//! `make test-clients` installs them and runs this; `README.md` beside this file is the same table for people.

mod scenarios;

use rstest::rstest;
use tokio::process::Command;

use crate::grpc::client::Client;
use crate::grpc::python;
use crate::plane::Plane;
use crate::proxy::installed;

/// A client that others wrote.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Peer {
    Go,
    Java,
    Node,
    Python,
    Rust,
}

impl Peer {
    const ALL: [Self; 5] = [Self::Go, Self::Java, Self::Node, Self::Python, Self::Rust];

    fn start(self, plane: &Plane) -> Client {
        self.start_with(&[plane])
    }

    /// Starts with several control planes, of which the first is the one to use while it can be reached.
    fn start_with(self, planes: &[&Plane]) -> Client {
        let mut command = match self {
            Self::Go => Command::new(installed("FUSEGATE_GRPC_GO", "grpc-go")),
            Self::Java => Command::new(installed("FUSEGATE_GRPC_JAVA", "grpc-java")),
            Self::Node => Command::new(installed("FUSEGATE_GRPC_NODE", "grpc-node")),
            Self::Python => python(),
            Self::Rust => Command::new(installed("FUSEGATE_GRPC_RUST", "grpc-rust")),
        };
        // C-core hears failures only if it is told to.
        command.env("GRPC_EXPERIMENTAL_XDS_DATA_ERROR_HANDLING", "true");
        let scheme = if matches!(self, Self::Rust) {
            "http://"
        } else {
            ""
        };
        let addresses = planes.iter().map(|plane| plane.address);
        let addresses: Vec<_> = addresses.map(|one| format!("{scheme}{one}")).collect();
        Client::start(command, &addresses)
    }
}

/// One test for each scenario and client, and the table of them.
macro_rules! table {
    ($($scenario:ident: $($peer:ident)+;)+) => {
        $(
            #[rstest]
            #[tokio::test]
            async fn $scenario(#[values($(Peer::$peer),+)] peer: Peer) {
                scenarios::$scenario(peer).await;
            }
        )+

        const TABLE: &[(&str, &[Peer])] = &[$((stringify!($scenario), &[$(Peer::$peer),+])),+];
    };
}

table! {
    calls_are_answered_and_spread_over_all_endpoints: Go Java Node Python Rust;
    endpoints_that_change_are_followed: Go Java Node Python Rust;
    a_route_that_is_moved_there_and_back_is_followed: Go Java Node Python Rust;
    renames_in_a_row_lose_no_call: Go Java Node Python Rust;
    what_is_refused_harms_nobody_and_is_mended: Go Java Node Python;
    a_failure_takes_nothing_from_who_has_it: Go Java Node Python Rust;
    the_words_of_a_failure_arrive: Python;
    a_server_that_dies_comes_back_with_the_same_with_less_and_empty: Go Java Node Python Rust;
    connections_that_reach_their_age_cost_no_call: Go Java Node Python Rust;
    a_second_server_serves_while_the_first_is_away: Go Java Python;
    calls_are_dropped_as_told: Go Java Node Python;
}

#[test]
fn the_table_for_people_is_this_one() {
    let readme = include_str!("README.md");
    for (scenario, peers) in TABLE {
        let cell = |peer: &Peer| {
            if peers.contains(peer) {
                " yes |"
            } else {
                " no |"
            }
        };
        let cells: String = Peer::ALL.iter().map(cell).collect();
        let row = format!("| {} |{cells}", scenario.replace('_', " "));
        assert!(readme.contains(&row), "README.md lacks the row: {row}");
    }
    let rows = readme
        .lines()
        .filter(|line| line.ends_with(" yes |") || line.ends_with(" no |"));
    assert_eq!(rows.count(), TABLE.len());
}
