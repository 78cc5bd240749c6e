//! The walls: what each folder may name. The table is that of `docs/architecture.md`.

use std::collections::BTreeSet;

use super::paths::{self, Named};
use super::tree::Source;
use super::violation::Violation;

/// One wall. Names are separated by spaces.
struct Wall {
    /// A module: its file and the folder of the same name.
    place: &'static str,
    /// Modules of the same crate that it may name; any, when `None`.
    inside: Option<&'static str>,
    /// Crates that it may name; any, when `None`.
    outside: Option<&'static str>,
    /// Paths that it may not name and keywords that it may not use, in groups.
    never: &'static [&'static str],
}

/// Files, sockets, threads, clocks, and waiting for them.
const IO: &str = "std::fs std::net std::io std::process std::thread std::env std::time \
                  tokio async await";

/// The same, for a place that measures text by writing it into a counter.
const IO_BUT_WRITING: &str =
    "std::fs std::net std::process std::thread std::env std::time tokio async await";

/// What a request handler must not know, and `main` even less.
const PLATFORM: &str = "kube k8s_openapi fusegate_crds envoy_types tonic";

/// What the sans-IO cores of the xDS protocol must not know; they may compute with durations.
const CORE: &str = "std::fs std::net std::io std::thread std::time::Instant std::time::SystemTime \
                    async await tokio tonic futures crate::server crate::store";

const WALLS: &[Wall] = &[
    Wall {
        place: "src/breaker",
        inside: Some("crate::breaker"),
        outside: Some("std"),
        never: &[IO],
    },
    Wall {
        place: "src/condition",
        inside: Some("crate::condition"),
        outside: Some("std fusegate_crds jiff kube_cel serde serde_json thiserror twox_hash"),
        never: &[IO],
    },
    Wall {
        place: "src/admission",
        inside: Some("crate::admission crate::condition crate::revision"),
        outside: Some("std fusegate_crds serde serde_json thiserror twox_hash"),
        never: &[IO],
    },
    Wall {
        place: "src/revision",
        inside: Some("crate::revision crate::wire::event"),
        outside: Some(
            "std base64 fusegate_crds jiff kube_cel regex serde_json thiserror twox_hash",
        ),
        never: &[IO],
    },
    Wall {
        place: "src/lint",
        inside: Some("crate::lint"),
        outside: Some("std kube_cel serde_json"),
        never: &[IO],
    },
    Wall {
        place: "src/doctor",
        inside: Some("crate::doctor"),
        outside: Some("std fusegate_crds serde thiserror"),
        never: &[IO],
    },
    Wall {
        place: "src/policy",
        inside: Some("crate::policy crate::breaker"),
        outside: Some("std imbl thiserror"),
        never: &[IO],
    },
    Wall {
        place: "src/spec",
        inside: Some("crate::spec crate::breaker crate::condition crate::policy"),
        outside: Some("std fusegate_crds jiff thiserror"),
        never: &[IO],
    },
    Wall {
        place: "src/translate",
        inside: Some("crate::translate crate::policy"),
        outside: Some("std envoy_types fusegate_xds thiserror"),
        never: &[IO],
    },
    Wall {
        place: "src/engine",
        inside: Some(
            "crate::engine crate::admission crate::breaker crate::condition crate::lint crate::policy crate::revision crate::spec crate::translate \
             crate::wire",
        ),
        outside: None,
        never: &[IO, "kube envoy_types tonic axum"],
    },
    Wall {
        place: "src/engine/inputs",
        inside: Some(
            "crate::engine::inputs crate::engine::circuits crate::engine::outputs crate::engine::state \
             crate::engine::parts crate::breaker crate::condition crate::lint crate::policy crate::revision crate::spec \
             crate::translate crate::wire",
        ),
        outside: None,
        never: &[],
    },
    Wall {
        place: "src/engine/circuits",
        inside: Some(
            "crate::engine::circuits crate::engine::outputs crate::engine::state crate::engine::parts \
             crate::breaker crate::condition crate::policy crate::revision crate::spec crate::translate crate::wire",
        ),
        outside: None,
        never: &[],
    },
    Wall {
        place: "src/engine/outputs",
        inside: Some(
            "crate::engine::outputs crate::engine::output crate::engine::state crate::admission crate::breaker \
             crate::condition crate::policy crate::revision crate::spec crate::translate crate::wire",
        ),
        outside: None,
        never: &[],
    },
    Wall {
        place: "src/engine/state",
        inside: Some(
            "crate::engine::state crate::breaker crate::condition crate::policy crate::revision crate::spec \
             crate::wire",
        ),
        outside: None,
        never: &[],
    },
    Wall {
        place: "src/wire",
        inside: Some("crate::wire crate::breaker"),
        outside: Some("std arc_swap fusegate_crds imbl serde serde_json"),
        never: &[IO_BUT_WRITING],
    },
    Wall {
        place: "src/source",
        inside: Some(
            "crate::source crate::wire::event crate::wire::json_size crate::wire::query crate::condition crate::revision crate::runtime",
        ),
        outside: None,
        never: &["fusegate_xds envoy_types tonic axum"],
    },
    Wall {
        place: "src/effects",
        inside: Some(
            "crate::effects crate::wire::audit crate::wire::effect crate::wire::event crate::source crate::revision crate::breaker crate::runtime",
        ),
        outside: None,
        never: &["fusegate_xds envoy_types tonic axum"],
    },
    Wall {
        place: "src/serve",
        inside: Some(
            "crate::serve crate::admission crate::breaker crate::lint crate::revision crate::wire::labels crate::wire::view \
             crate::wire::event::GroupKind crate::runtime::clock crate::runtime::memory::pressure \
             crate::runtime::metrics crate::runtime::shard",
        ),
        outside: None,
        never: &[PLATFORM, "fusegate_xds"],
    },
    Wall {
        place: "src/recording",
        inside: Some(
            "crate::recording crate::wire::event crate::breaker::time crate::engine::output \
             crate::wire::effect crate::effects::audit::json crate::runtime",
        ),
        outside: None,
        never: &["kube envoy_types tonic axum"],
    },
    Wall {
        place: "src/runtime",
        inside: Some("crate::runtime crate::breaker::time"),
        outside: None,
        never: &["fusegate_crds fusegate_xds envoy_types tonic axum"],
    },
    Wall {
        place: "src/main",
        inside: Some(""),
        outside: None,
        never: &[PLATFORM],
    },
    Wall {
        place: "crds/src",
        inside: None,
        outside: None,
        never: &[
            "kube::Client kube::client kube::Api kube::api kube::runtime async await",
            "tokio axum tonic envoy_types fusegate fusegate_xds",
        ],
    },
    Wall {
        place: "xds/src",
        inside: None,
        outside: None,
        never: &["kube k8s_openapi fusegate_crds fusegate"],
    },
    Wall {
        place: "xds/src/snapshot",
        inside: None,
        outside: None,
        never: &["tonic tokio async await"],
    },
    Wall {
        place: "xds/src/store",
        inside: None,
        outside: None,
        never: &["tonic crate::server"],
    },
    Wall {
        place: "xds/src/sotw",
        inside: None,
        outside: None,
        never: &[CORE],
    },
    Wall {
        place: "xds/src/delta",
        inside: None,
        outside: None,
        never: &[CORE],
    },
    Wall {
        place: "xds/src/protocol",
        inside: None,
        outside: None,
        never: &[CORE],
    },
];

/// Names that only some places may use, wherever else they stand.
const KEPT: &[(&str, &[&str], &str)] = &[
    (
        "anyhow",
        &["src/main", "src/app"],
        "errors have types everywhere else",
    ),
    (
        "tonic::Status",
        &["xds/src/server"],
        "only the gRPC adapter speaks in statuses",
    ),
    (
        "std::time::Instant::now",
        &["src/runtime/clock"],
        "time is a parameter",
    ),
    (
        "std::time::SystemTime::now",
        &["src/runtime/clock"],
        "time is a parameter",
    ),
    // The gRPC adapter is the edge of its own crate, and measures how long a stream has been open.
    (
        "Instant::now",
        &["src/runtime/clock", "xds/src/server"],
        "time is a parameter",
    ),
    (
        "SystemTime::now",
        &["src/runtime/clock"],
        "time is a parameter",
    ),
    (
        "Timestamp::now",
        &["src/runtime/clock"],
        "time is a parameter",
    ),
    ("Utc::now", &[], "time is a parameter"),
    (
        "tokio::sync::mpsc::unbounded_channel",
        &[],
        "a queue has a bound and counts its overflow",
    ),
    (
        "mpsc::unbounded_channel",
        &[],
        "a queue has a bound and counts its overflow",
    ),
];

/// Whether a file belongs to a module.
pub(super) fn lies_in(path: &str, place: &str) -> bool {
    path.strip_prefix(place)
        .is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

/// Every place that has a wall.
pub(super) fn places() -> impl Iterator<Item = &'static str> {
    WALLS.iter().map(|wall| wall.place)
}

/// Where a source names what it may not. Tests may name anything.
pub(super) fn violations(source: &Source, crates: &BTreeSet<String>) -> Vec<Violation> {
    if source.tests {
        return Vec::new();
    }
    let named = paths::named(&source.path, &source.code);
    let walls = WALLS
        .iter()
        .filter(|wall| lies_in(&source.path, wall.place));
    let mut found: Vec<Violation> = walls
        .flat_map(|wall| {
            named
                .iter()
                .filter_map(|named| wall.breach(source, named, crates))
        })
        .collect();
    found.extend(
        named
            .iter()
            .filter_map(|named| kept_elsewhere(source, named)),
    );
    found
}

impl Wall {
    fn breach(
        &self,
        source: &Source,
        named: &Named,
        crates: &BTreeSet<String>,
    ) -> Option<Violation> {
        let path = named.path.as_str();
        let root = path.split("::").next().unwrap_or_default();
        let rule = if self.never.iter().any(|group| holds(group, path)) {
            format!("`{path}` is out of bounds in {}", self.place)
        } else if root == "crate" {
            let inside = self.inside?;
            if holds(inside, path) || path == "crate" {
                return None;
            }
            format!(
                "`{path}`: of this crate {} may name {inside:?} and nothing else",
                self.place
            )
        } else {
            let outside = self.outside?;
            if holds(outside, root) || !crates.contains(root) {
                return None;
            }
            format!(
                "`{path}`: {} may use {outside:?} and nothing else",
                self.place
            )
        };
        Some(breach(
            source,
            named,
            format!("{rule} (docs/architecture.md, The walls)"),
        ))
    }
}

fn kept_elsewhere(source: &Source, named: &Named) -> Option<Violation> {
    let (_, places, why) = KEPT.iter().find(|(name, places, _)| {
        starts(&named.path, name) && !places.iter().any(|place| lies_in(&source.path, place))
    })?;
    let rule = format!("`{}` belongs to {places:?} only: {why}", named.path);
    Some(breach(source, named, rule))
}

fn breach(source: &Source, named: &Named, rule: String) -> Violation {
    Violation {
        path: source.path.clone(),
        line: named.line,
        rule,
    }
}

/// Whether a path is one of these, or below one.
fn holds(names: &str, path: &str) -> bool {
    names.split_whitespace().any(|name| starts(path, name))
}

/// Whether a path is this one or below it.
fn starts(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}
