//! A visit: one story's use of the cluster that all stories share. The last to leave has it replayed.

use std::{
    ops::Deref,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::cluster::Cluster;

/// Stories that use the shared cluster now.
static VISITS: AtomicUsize = AtomicUsize::new(0);

/// The shared cluster, for as long as a story lasts.
///
/// It is in a static and so never dropped, and its recording is that of all stories together. To replay it once
/// for each of them would be as often as there are stories, so it is done whenever none is left on it.
pub(super) struct Visit(&'static Cluster);

impl Visit {
    pub(super) fn begin(cluster: &'static Cluster) -> Self {
        VISITS.fetch_add(1, Ordering::SeqCst);
        Self(cluster)
    }
}

impl Deref for Visit {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        self.0
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let last = VISITS.fetch_sub(1, Ordering::SeqCst) == 1;
        if last
            && !thread::panicking()
            && let Err(error) = self.0.fusegate.replay()
        {
            panic!("{error:#}");
        }
    }
}
