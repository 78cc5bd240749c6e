//! Label sets: by what each family is counted.

use prometheus_client::encoding::EncodeLabelSet;

use crate::runtime::metrics::bound::Bound;
use crate::runtime::metrics::{EffectKind, EffectResult, FeedKind, Post};

macro_rules! label_sets {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        #[allow(missing_docs, reason = "the labels' names say it")]
        pub struct $name { $(pub $field: $type),+ }
    )+};
}

label_sets! {
    /// By feed.
    FeedLabel { feed: FeedKind }
    /// By verdict on a map, as in the audit lines.
    VerdictLabel { verdict: &'static str }
    /// By problem code.
    CodeLabel { code: &'static str }
    /// By bound.
    BoundLabel { bound: Bound }
    /// By the number of a shard.
    ShardLabel { shard: u16 }
    /// By state of a circuit.
    StateLabel { state: &'static str }
    /// By kind of effect.
    KindLabel { kind: EffectKind }
    /// By kind of effect and its result.
    EffectLabel { kind: EffectKind, result: EffectResult }
    /// By whether an alert is `firing` or `resolved`.
    AlertLabel { state: &'static str }
    /// By the result of a request.
    PostLabel { result: Post }
    /// By policy, and what release tools were answered.
    GateCallLabel { namespace: String, policy: String, answer: &'static str }
    /// By why a request was not let through.
    RefusedLabel { reason: &'static str }
    /// By the form in which a gate was asked, and what it was.
    GateLabel { form: &'static str, state: &'static str }
}
