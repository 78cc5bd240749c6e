//! The leader: which replica writes, decided by a Lease of `coordination.k8s.io/v1`.
//!
//! Every write of the Lease carries the resource version that was read, so two replicas never both
//! take it. Another replica's lease has expired when this replica has seen it unchanged for its
//! duration, by its own monotonic clock; no other clock is trusted. A replica that can't renew
//! stops leading before another may take over.
//! A Lease is no fence: what must not happen twice is written with its own preconditions.
//! Each shard has a Lease of its own, see [`others`].

pub(crate) mod others;
mod record;

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, ListParams, PostParams};
use kube::{Client, Error};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::breaker::time::{Mono, Span};
use crate::runtime::backoff::{self, Backoff};
use crate::runtime::clock::Clock;
use crate::runtime::leader::others::Others;
use crate::runtime::leader::record::{LEASE, Rival, claim, release};
use crate::runtime::shard::Shard;
use crate::runtime::tenure::Tenure;

/// The wait between renewals, and the shorter one before a retry or the next look at a foreign lease.
const RENEW: Backoff = every(5_000);
const RETRY: Backoff = every(2_000);

/// How long after its last renewal request a replica still leads: well before [`LEASE`] expires.
const HELD: Span = Span::from_secs(10);

/// The deadline of one round, so that a hanging renewal leaves time for another.
const WITHIN: Duration = Duration::from_secs(3);

/// A replica that wants to lead.
#[derive(Clone)]
pub struct Candidate {
    /// The client.
    pub client: Client,
    /// The Lease's namespace.
    pub namespace: String,
    /// The shard that it wants to lead, after which the Lease is named.
    pub shard: Shard,
    /// This replica's unique name: the pod's.
    pub identity: String,
}

/// Runs until `stop`, then releases the lease; cancel it only after the last write.
///
/// The receiver says whether this replica leads, and the tenure how long that is so unless the lease is renewed. If the task ends on its own, the process should end too.
pub fn start(
    candidate: Candidate,
    clock: Clock,
    tenure: Tenure,
    stop: CancellationToken,
) -> (watch::Receiver<bool>, JoinHandle<()>) {
    let (leads, leading) = watch::channel(false);
    let election = Election {
        leases: Api::namespaced(candidate.client.clone(), &candidate.namespace),
        name: others::name(candidate.shard),
        candidate,
        clock,
        tenure,
        leads,
        rival: Rival::default(),
        others: Others::default(),
        barred: None,
        held: None,
        failing: false,
    };
    (leading, tokio::spawn(election.run(stop)))
}

struct Election {
    candidate: Candidate,
    leases: Api<Lease>,
    /// The Lease's name.
    name: String,
    clock: Clock,
    tenure: Tenure,
    leads: watch::Sender<bool>,
    rival: Rival,
    others: Others,
    /// The lease of another total that is waited for, and its holder.
    barred: Option<(String, String)>,
    /// The Lease as this replica last wrote it, and when it sent the request.
    held: Option<(Lease, Mono)>,
    failing: bool,
}

impl Election {
    async fn run(mut self, stop: CancellationToken) {
        let seed = backoff::seed(&self.candidate.identity);
        let mut round = 0_u64;
        loop {
            round += 1;
            let answered = tokio::select! {
                () = stop.cancelled() => break,
                answered = timeout(WITHIN, self.round()) => answered,
            };
            self.note_outcome(answered);
            let calm = self.held.is_some() && !self.failing;
            let pause = if calm { RENEW } else { RETRY };
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep(pause.wait(1, seed ^ round)) => {}
                () = self.expiry() => {}
            }
            self.expire();
        }
        self.resign().await;
    }

    /// Reads the Lease once, and writes it if it is ours or free.
    async fn round(&mut self) -> Result<(), Error> {
        let asked = self.clock.now().mono;
        if let Some((lease, _)) = self.held.clone() {
            match self.write(&lease).await {
                Ok(lease) => {
                    self.hold(lease, asked);
                    return Ok(());
                }
                Err(Error::Api(status)) if status.is_conflict() || status.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        let lease = self.leases.get_opt(&self.name).await?;
        let identity = &self.candidate.identity;
        let free = lease
            .as_ref()
            .is_none_or(|lease| self.rival.is_free(lease, identity, asked));
        if !free || self.is_barred().await? {
            self.lose();
            return Ok(());
        }
        let taken = match &lease {
            Some(lease) => self.write(lease).await,
            None => self.create().await,
        };
        match taken {
            Ok(lease) if self.is_barred().await? => {
                self.lose();
                self.write_released(&lease).await?;
            }
            Ok(lease) => self.hold(lease, asked),
            Err(Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {
                self.lose();
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Whether somebody leads who divides the namespaces otherwise.
    async fn is_barred(&mut self) -> Result<bool, Error> {
        let shard = self.candidate.shard;
        let leases = match self.leases.list(&ListParams::default()).await {
            // Who never had shards may have rights from before there were any.
            Err(Error::Api(status)) if status.code == 403 && shard.is_whole() => return Ok(false),
            listed => listed?.items,
        };
        let mine = (shard, self.candidate.identity.as_str());
        let held = self.others.held(&leases, mine, self.clock.now().mono);
        if let Some((lease, holder)) = held
            .as_ref()
            .filter(|held| self.barred.as_ref() != Some(*held))
        {
            tracing::warn!(
                %shard, lease, holder,
                "shards of another number still lead, so this one waits: nothing of its namespaces is written until they have \
                 ended; if they should have, delete their Deployments"
            );
        }
        self.barred = held;
        Ok(self.barred.is_some())
    }

    async fn create(&self) -> Result<Lease, Error> {
        let mut lease = Lease::default();
        lease.metadata.name = Some(self.name.clone());
        let lease = claim(&lease, &self.candidate.identity, self.clock.now().wall);
        self.leases.create(&PostParams::default(), &lease).await
    }

    /// Takes or renews the Lease, if it has not changed since it was read.
    async fn write(&self, lease: &Lease) -> Result<Lease, Error> {
        let claimed = claim(lease, &self.candidate.identity, self.clock.now().wall);
        let params = PostParams::default();
        self.leases.replace(&self.name, &params, &claimed).await
    }

    async fn write_released(&self, lease: &Lease) -> Result<Lease, Error> {
        let (freed, params) = (release(lease), PostParams::default());
        self.leases.replace(&self.name, &params, &freed).await
    }

    fn hold(&mut self, lease: Lease, asked: Mono) {
        // Whoever looked in between has stopped leading, and must hear that it begins anew.
        self.expire();
        self.held = Some((lease, asked));
        self.tenure.set(asked + HELD);
        self.tell(true);
    }

    fn lose(&mut self) {
        self.held = None;
        self.tenure.set(Mono(0));
        self.tell(false);
    }

    fn tell(&self, leads: bool) {
        let changed = self.leads.send_if_modified(|before| {
            let changed = *before != leads;
            *before = leads;
            changed
        });
        if changed {
            let identity = &self.candidate.identity;
            tracing::info!(identity, leads, "the lease changed hands");
        }
    }

    fn note_outcome(&mut self, answered: Result<Result<(), Error>, tokio::time::error::Elapsed>) {
        let failure = match answered {
            Ok(Ok(())) => None,
            // The API server's message; kube's own text dumps the whole structure.
            Ok(Err(Error::Api(status))) => Some(format!("{} ({})", status.message, status.code)),
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer within {WITHIN:?}")),
        };
        if let (Some(reason), false) = (&failure, self.failing) {
            let (name, namespace) = (&self.name, &self.candidate.namespace);
            tracing::warn!(
                reason,
                "cannot read or write the Lease {namespace}/{name}, so this replica writes nothing; \
                 check that namespace {namespace} exists (--namespace) and that fusegate may write leases in it; retrying"
            );
        }
        self.failing = failure.is_some();
    }

    /// Waits until our lease expires without a renewal.
    async fn expiry(&self) {
        match &self.held {
            Some((_, asked)) => {
                tokio::time::sleep_until(self.clock.instant_of(*asked + HELD).into()).await;
            }
            None => std::future::pending().await,
        }
    }

    fn expire(&mut self) {
        let now = self.clock.now().mono;
        if self
            .held
            .as_ref()
            .is_some_and(|(_, asked)| now >= *asked + HELD)
        {
            tracing::warn!("the lease was not renewed in time; this replica no longer leads");
            self.lose();
        }
    }

    /// Releases the lease, so that another replica need not wait for it to expire.
    async fn resign(mut self) {
        let Some((lease, _)) = self.held.take() else {
            return;
        };
        self.lose();
        if !matches!(
            timeout(WITHIN, self.write_released(&lease)).await,
            Ok(Ok(_))
        ) {
            tracing::warn!(
                "cannot release the lease; it expires in {} s",
                LEASE.0 / 1_000
            );
        }
    }
}

const fn every(millis: u64) -> Backoff {
    let wait = Duration::from_millis(millis);
    Backoff {
        base: wait,
        max: wait,
    }
}
