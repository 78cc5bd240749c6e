# `make help` lists what there is. Every target works from a fresh clone with a Rust toolchain, on Debian 12 or where
# Python 3 is there; Go is fetched unless the machine has a new one.

.DEFAULT_GOAL := help
SERVERS := tests/servers/install.sh

# Tests wait for servers most of the time, so on few cores more of them than cores can run at once,
# but not so many that the servers of all of them together starve.
export RUST_TEST_THREADS ?= 4

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

.PHONY: check
check: ## Check format, lints, unit tests, architecture and documentation, without servers (two minutes when warm)
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	@$(MAKE) --no-print-directory check-features
	cargo test --workspace --lib --quiet
	cargo test --workspace --test main --quiet -- architecture:: docs::pages:: docs::generated::

.PHONY: check-features
check-features: ## Check that the xDS library compiles without its features, and with each alone
	@for features in "" server tls waves json; do \
		echo "cargo clippy -p fusegate-xds --no-default-features --features \"$$features\""; \
		cargo clippy -p fusegate-xds --no-default-features --features "$$features" --quiet -- -D warnings || exit 1; \
	done

.PHONY: package
package: ## Build the library crates as they would be published
	cargo package -p fusegate-xds -p fusegate-crds

.PHONY: generate
generate: ## Write what is generated: the CRDs, the reference pages, the chart's schema, and the plain manifests (with Helm, which is built the first time)
	@$(SERVERS) helm
	UPDATE_GENERATED=1 cargo test --workspace --lib --quiet -- generate::
	UPDATE_GENERATED=1 cargo test --workspace --test main --quiet -- docs::generated::
	UPDATE_GENERATED=1 cargo test --workspace --test main --quiet -- deploy::generated::the_chart_has deploy::generated::the_values
	UPDATE_GENERATED=1 cargo test --workspace --test main --quiet -- deploy::generated::the_plain

.PHONY: servers
servers: ## Install the real servers that `make test` runs (half an hour the first time, then nothing)
	@$(SERVERS) test

.PHONY: test
test: servers ## Run every test, on the real servers; but those against other controllers and the last release: test-peers, test-upgrade
	cargo test --workspace -- --skip peers:: --skip story::upgrade

# The last release is where the changelog got its newest version.
RELEASE ?= $(shell git log -1 --format=%H -G'^\#\# \[[0-9]' -- CHANGELOG.md)
NO_RELEASE = no release in the history of CHANGELOG.md: fetch all of it (git fetch --unshallow), or give RELEASE=COMMIT
TARGET = $(abspath $(or $(CARGO_TARGET_DIR),target))
RELEASED = $(TARGET)/released/$(RELEASE)

# Whatever Cargo has compiled of other crates is used, so only the program itself is built.
$(RELEASED)/fusegate:
	@test -n "$(RELEASE)" || { echo "$(NO_RELEASE)" >&2; exit 1; }
	rm -rf $(RELEASED) && mkdir -p $(RELEASED)
	git archive $(RELEASE) | tar -x -C $(RELEASED)
	cd $(RELEASED) && CARGO_TARGET_DIR=$(TARGET) cargo build --locked --bin fusegate
	cp $(TARGET)/debug/fusegate $@

.PHONY: test-upgrade
test-upgrade: servers $(RELEASED)/fusegate ## Upgrade the last release to this tree and back, amid incidents (three minutes more the first time)
	FUSEGATE_RELEASE=$(RELEASED)/fusegate cargo test --workspace --test main -- story::upgrade

# These wait for the ten seconds of Flagger far more than for anything that a core does.
.PHONY: test-peers
test-peers: ## Run the tests against other controllers, in a whole cluster (a quarter of an hour the first time)
	@$(SERVERS) test peers
	RUST_TEST_THREADS=8 cargo test --workspace --test main -- peers::

.PHONY: bench-gates
bench-gates: ## Measure the hooks of fifty canaries of a real Flagger, and metrics and health meanwhile (a few minutes)
	@$(SERVERS) test peers
	cargo test --test main -- peers::crowd --nocapture

.PHONY: test-clients
test-clients: ## Run the xDS library's tests against gRPC clients in Go, Java, Node, Python and Rust (minutes the first time)
	@$(SERVERS) clients
	cargo test -p fusegate-xds --test clients -- peers::

# The tests that use an API server.
CLUSTER_TESTS := deploy:: effects_kube:: harness::apiserver:: source_kube:: story::

# That server can crash while it compiles several admission policies at once (docs/admission.md), so these tests follow one another.
.PHONY: test-oldest
test-oldest: ## Run the cluster's tests on the oldest Kubernetes that is supported (a quarter of an hour more the first time)
	@$(SERVERS) test oldest
	KUBEBUILDER_ASSETS="$$($(SERVERS) --print-bin)/oldest" cargo test --workspace --test main -- $(CLUSTER_TESTS) --skip admission --skip story::upgrade
	KUBEBUILDER_ASSETS="$$($(SERVERS) --print-bin)/oldest" RUST_TEST_THREADS=1 cargo test --workspace --test main -- story::admission effects_admission

KILLS ?= 300
MINUTES ?= 10
AGAIN = $(if $(SEED),FUSEGATE_SEED=$(SEED))

.PHONY: chaos
chaos: servers ## Kill fusegate KILLS=300 times in a cluster and in a directory, then put three replicas and all that they depend on in trouble for MINUTES=10 (SEED= repeats a run's choices)
	$(AGAIN) FUSEGATE_KILLS=$(KILLS) cargo test --workspace --test main story::kills -- --nocapture
	$(AGAIN) FUSEGATE_CHAOS_MINUTES=$(MINUTES) cargo test --workspace --test main story::replicas::chaos -- --nocapture

.PHONY: record-corpus
record-corpus: ## Write the recordings of tests/corpus anew, from the real controllers (a quarter of an hour the first time)
	@$(SERVERS) test peers
	RECORD_CORPUS=1 cargo test --workspace --test main -- peers::recorded

.PHONY: bench-reaction
bench-reaction: servers ## Measure a status write to the first 503, and where the time goes (a few minutes)
	cargo bench --bench reaction

.PHONY: bench-engine
bench-engine: ## Measure the engine by itself: updates per second, memory per object, pauses up to a million objects (a few minutes)
	cargo bench --bench engine

WRITES ?= 100000

.PHONY: bench-admission
bench-admission: servers ## Measure WRITES=100000 status writes, a third illegal, with admission off, by policy and by webhook (a few minutes)
	FUSEGATE_WRITES=$(WRITES) cargo bench --bench admission

OBJECTS ?= 100000

.PHONY: bench-sync
bench-sync: servers ## Measure the sync of OBJECTS=100000 custom resources from a real API server: time, memory, CPU (a few minutes, 5 GB; KIND=pods for Pods)
	FUSEGATE_OBJECTS=$(OBJECTS) $(if $(KIND),FUSEGATE_KIND=$(KIND)) cargo bench --bench sync

RATE ?= 1000
CLIENTS ?= 4000

.PHONY: bench-scale
bench-scale: servers ## Measure two replicas with OBJECTS=100000 custom resources, RATE=1000 status writes a second and CLIENTS=4000 at their xDS ports (a few minutes, 6 GB)
	ulimit -n "$$(ulimit -Hn)" && FUSEGATE_OBJECTS=$(OBJECTS) FUSEGATE_RATE=$(RATE) FUSEGATE_CLIENTS=$(CLIENTS) cargo bench --bench scale

.PHONY: demo
demo: ## Watch one incident, from a bad release to recovery, on a real Envoy and Alertmanager (HOLD=1 keeps it running)
	@tests/demo/run.sh $(if $(HOLD),--hold)

.PHONY: bench-xds
bench-xds: ## Measure the xDS server: steps without a network, then swarms of up to 5,000 real clients (minutes; SIZE=small for seconds)
	cargo bench -p fusegate-xds --bench steps $(if $(filter small,$(SIZE)),-- --quick)
	ulimit -n "$$(ulimit -Hn)" && cargo bench -p fusegate-xds --bench swarm -- --size $(or $(SIZE),whole)

.PHONY: bench-xds-peer
bench-xds-peer: ## The same swarms against go-control-plane too, which is built the first time
	@$(SERVERS) go-control-plane
	peer="$$($(SERVERS) --print-bin)/go-control-plane" && ulimit -n "$$(ulimit -Hn)" && \
	cargo bench -p fusegate-xds --bench swarm -- --size $(or $(SIZE),whole) --peer "$$peer linear" --peer "$$peer snapshot"

.PHONY: soak
soak: ## Clients that come, refuse and go at random for ten minutes (SOAK_SECONDS); all must end with what is published
	SOAK_SECONDS=$(or $(SOAK_SECONDS),600) cargo test -p fusegate-xds --lib whatever_clients_do -- --nocapture

FUZZ_SECONDS ?= 60

.PHONY: fuzz
fuzz: ## Fuzz both protocol cores and the webhook's reviews for FUZZ_SECONDS each (a minute); the first time it installs cargo-fuzz and builds, a quarter of an hour more
	@cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz
	for target in sotw delta; do \
		cargo fuzz run --fuzz-dir xds/fuzz --sanitizer none $$target -- -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done

DENY = "$$($(SERVERS) --print-bin)/cargo-deny" --config .deny.toml

.PHONY: deny
deny: ## Check the licences, duplicates and sources of all crates, and their advisories where GitHub is reachable
	@$(SERVERS) cargo-deny
	$(DENY) check licenses bans sources
	@if $(DENY) fetch db 2>/dev/null; then $(DENY) check advisories; \
	else echo "advisories were not checked: the RustSec database is out of reach" >&2; fi

.PHONY: book
book: ## Make a book of docs/ in target/book, with the real mdBook (four minutes more the first time)
	@$(SERVERS) mdbook
	"$$($(SERVERS) --print-bin)/mdbook" build docs --dest-dir $(TARGET)/book

.PHONY: semver
semver: ## Check that the library crates break nothing since their last release, or have a version that says so (six minutes more the first time)
	@$(SERVERS) cargo-semver-checks
	@test -n "$(RELEASE)" || { echo "$(NO_RELEASE)" >&2; exit 1; }
	"$$($(SERVERS) --print-bin)/cargo-semver-checks" semver-checks -p fusegate-xds -p fusegate-crds --baseline-rev $(RELEASE)

IMAGE = $(or $(CARGO_TARGET_DIR),target)/image

.PHONY: image
image: ## Build an OCI image of the program, target/image, without a container engine (needs umoci; four minutes)
	FUSEGATE_VERSION="$$(deploy/image/version.sh)" cargo build --release --locked
	deploy/image/build.sh $(or $(CARGO_TARGET_DIR),target)/release/fusegate $(IMAGE) "$$(deploy/image/version.sh | cut -d' ' -f1)"
	@du -sh $(IMAGE)

.PHONY: lint-crds
lint-crds: ## Lint the CRDs of well-known operators, which are fetched as Go modules (needs go; a minute the first time)
	cargo build --quiet
	tests/crds/lint.sh $(or $(CARGO_TARGET_DIR),target)/debug/fusegate

.PHONY: lint
lint: ## Check the format, the lints and the documentation
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps

.PHONY: clean-servers
clean-servers: ## Remove the installed servers
	rm -rf "$$(dirname "$$($(SERVERS) --print-bin)")"
