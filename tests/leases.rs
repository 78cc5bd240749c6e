//! The leases of shards on a real API server: whoever divides the namespaces otherwise is never led beside.

use std::time::Duration;

use anyhow::{Result, ensure};
use fusegate::runtime::{clock::Clock, leader, tenure::Tenure};
use rstest::rstest;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::support::{
    servers::apiserver::ApiServer,
    wait::{eventually, throughout},
};

/// A lease runs out after fifteen seconds, and is looked at every two.
const SOON: Duration = Duration::from_secs(40);

/// Longer than whoever waits takes to look twice.
const A_WHILE: Duration = Duration::from_secs(5);

/// A replica of a shard, by its lease alone.
struct Replica {
    leads: watch::Receiver<bool>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Replica {
    async fn start(server: &ApiServer, namespace: &str, shard: &str) -> Result<Self> {
        let candidate = leader::Candidate {
            client: server.client().await?,
            namespace: namespace.to_owned(),
            shard: shard.parse()?,
            identity: shard.replace('/', "-of-"),
        };
        let (stop, clock) = (CancellationToken::new(), Clock::start());
        let (leads, task) = leader::start(candidate, clock, Tenure::new(clock), stop.clone());
        Ok(Self { leads, stop, task })
    }

    fn leads(&self) -> bool {
        *self.leads.borrow()
    }

    async fn until_it_leads(&mut self) -> Result<()> {
        let leading = self.leads.wait_for(|leads| *leads);
        tokio::time::timeout(SOON, leading).await??;
        Ok(())
    }

    /// Gives its lease back.
    async fn stop(self) -> Result<()> {
        self.stop.cancel();
        Ok(self.task.await?)
    }

    /// Ends as a kill would.
    fn abort(self) {
        self.task.abort();
    }
}

#[rstest]
#[case::more("1/2", &["1/3", "3/3"])]
#[case::fewer("2/3", &["1/2", "2/2"])]
#[case::divided("1/1", &["1/2", "2/2"])]
#[case::undivided("2/2", &["1/1"])]
#[tokio::test]
async fn those_of_another_number_wait_until_the_last_has_ended(
    #[case] before: &str,
    #[case] after: &[&str],
    #[values(false, true)] killed: bool,
) -> Result<()> {
    let server = ApiServer::shared().await?;
    let namespace = server.namespace("shards").await?;
    let mut old = Replica::start(server, &namespace, before).await?;
    old.until_it_leads().await?;
    let mut new = Vec::new();
    for shard in after {
        new.push(Replica::start(server, &namespace, shard).await?);
    }
    throughout("the old one to lead alone", A_WHILE, async || {
        ensure!(old.leads() && !new.iter().any(Replica::leads));
        Ok(())
    })
    .await?;
    if killed {
        old.abort();
    } else {
        old.stop().await?;
    }
    for mut replica in new {
        replica.until_it_leads().await?;
        replica.stop().await?;
    }
    Ok(())
}

#[tokio::test]
async fn of_two_numbers_that_begin_at_once_one_leads() -> Result<()> {
    let server = ApiServer::shared().await?;
    for round in 0..3 {
        let namespace = server.namespace("shards").await?;
        let [two, three] = [
            Replica::start(server, &namespace, "2/2").await?,
            Replica::start(server, &namespace, "3/3").await?,
        ];
        let alone = || {
            ensure!(
                !(two.leads() && three.leads()),
                "both lead in round {round}"
            );
            Ok(two.leads() || three.leads())
        };
        eventually("one of them to lead", SOON, async || {
            ensure!(alone()?, "neither leads");
            Ok(())
        })
        .await?;
        throughout("one of them to lead", A_WHILE, async || {
            ensure!(alone()?, "neither leads any more");
            Ok(())
        })
        .await?;
        two.stop().await?;
        three.stop().await?;
    }
    Ok(())
}
