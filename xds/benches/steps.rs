//! The steps: what encoding, publishing and one turn of each protocol core cost, without a network.

// A benchmark fails by panicking.
#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use fusegate_xds::delta::{self, Delta};
use fusegate_xds::protocol::{Limits, Response};
use fusegate_xds::runtime::{self, RuntimeValue};
use fusegate_xds::sotw::{self, Sotw};
use fusegate_xds::{Resource, Store, TypeUrl, Update};

/// A busy namespace's circuits.
const KEYS: usize = 20;
const MANY: usize = 100_000;

fn layer(name: &str, value: usize) -> Resource {
    let keys: Vec<String> = (0..KEYS)
        .map(|key| format!("upstream.maintenance_mode.shop-cluster-{key}"))
        .collect();
    let values = keys
        .iter()
        .map(|key| (key.as_str(), RuntimeValue::Number(value as f64)));
    runtime::layer(name, values)
}

/// A store of so many small resources.
fn store_of(many: usize) -> Store {
    let store = Store::new();
    let fill = (0..many).fold(Update::new(), |update, name| update.put(small(name, 0)));
    store.publish(fill);
    store
}

fn small(name: usize, value: usize) -> Resource {
    let values = [("key", RuntimeValue::Number(value as f64))];
    runtime::layer(&format!("other-{name}"), values)
}

fn encoding(criterion: &mut Criterion) {
    criterion.bench_function("encode and hash a layer of 20 keys", |bencher| {
        bencher.iter(|| layer(black_box("shop"), black_box(7)));
    });
}

fn publishing(criterion: &mut Criterion) {
    let store = store_of(MANY);
    let mut value = 0;
    criterion.bench_function("publish one resource among 100,000", |bencher| {
        bencher.iter_batched(
            || {
                value += 1;
                Update::new().put(small(value * 37 % MANY, value))
            },
            |update| store.publish(update),
            BatchSize::SmallInput,
        );
    });
    criterion.bench_function("publish what is published already", |bencher| {
        let same = store.snapshot();
        let same = same.collection(&TypeUrl::RUNTIME).unwrap();
        let same = same.published("other-5").unwrap().clone();
        bencher.iter(|| store.publish(Update::new().put(same.clone())));
    });
}

fn name() -> Vec<Arc<str>> {
    vec![Arc::from("shop")]
}

/// One turn: a change is published, the stream gets it, and acknowledges.
fn turns(criterion: &mut Criterion) {
    let layers: Vec<Resource> = (0..2).map(|value| layer("shop", value)).collect();
    let store = Store::new();
    let mut round = 0;
    let mut publish = |store: &Store| {
        round += 1;
        store.publish(Update::new().put(layers.get(round % 2).unwrap().clone()))
    };
    publish(&store);
    let mut sotw = Sotw::new(Limits::default());
    let ask = sotw::Request::new(TypeUrl::RUNTIME, name());
    sotw.request(&ask).unwrap();
    let turn = |sotw: &mut Sotw, response: &Response| {
        let ack = sotw::Request {
            nonce: response.nonce.to_string(),
            ..ask.clone()
        };
        sotw.request(&ack).unwrap();
    };
    let first = sotw.next(&store.snapshot(), Duration::ZERO).unwrap();
    turn(&mut sotw, &first);
    criterion.bench_function("SotW: one change sent and acknowledged", |bencher| {
        bencher.iter(|| {
            publish(&store);
            let response = sotw.next(&store.snapshot(), Duration::ZERO).unwrap();
            turn(&mut sotw, &response);
        });
    });
    let mut delta = Delta::new(Limits::default());
    let ask = delta::Request {
        subscribe: name(),
        ..delta::Request::new(TypeUrl::RUNTIME)
    };
    delta.request(&ask).unwrap();
    let first = delta.next(&store.snapshot(), Duration::ZERO).unwrap();
    let acknowledge = |delta: &mut Delta, response: &Response| {
        let ack = delta::Request {
            nonce: response.nonce.to_string(),
            ..delta::Request::new(TypeUrl::RUNTIME)
        };
        delta.request(&ack).unwrap();
    };
    acknowledge(&mut delta, &first);
    criterion.bench_function("delta: one change sent and acknowledged", |bencher| {
        bencher.iter(|| {
            publish(&store);
            let response = delta.next(&store.snapshot(), Duration::ZERO).unwrap();
            acknowledge(&mut delta, &response);
        });
    });
}

/// Streams that come, subscribe to one name of many, and get it.
fn subscribing(criterion: &mut Criterion) {
    let store = store_of(MANY);
    let snapshot = store.snapshot();
    let name: Vec<Arc<str>> = vec![Arc::from("other-50000")];
    criterion.bench_function("SotW: a new stream gets one of 100,000", |bencher| {
        bencher.iter(|| {
            let mut core = Sotw::new(Limits::default());
            let ask = sotw::Request::new(TypeUrl::RUNTIME, name.clone());
            core.request(&ask).unwrap();
            core.next(&snapshot, Duration::ZERO).unwrap()
        });
    });
    criterion.bench_function("delta: a new stream gets one of 100,000", |bencher| {
        bencher.iter(|| {
            let mut core = Delta::new(Limits::default());
            let ask = delta::Request {
                subscribe: name.clone(),
                ..delta::Request::new(TypeUrl::RUNTIME)
            };
            core.request(&ask).unwrap();
            core.next(&snapshot, Duration::ZERO).unwrap()
        });
    });
}

criterion_group!(steps, encoding, publishing, turns, subscribing);
criterion_main!(steps);
