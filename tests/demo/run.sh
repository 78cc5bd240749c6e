#!/usr/bin/env bash
# Fetches what the demo needs, builds it and runs it. Arguments go to the demo.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
. tests/servers/lib.sh

command -v cargo >/dev/null || fail "cargo is not installed; install a Rust toolchain (1.95 or newer) first"
# The linker, which a Rust toolchain needs and does not bring.
if ! command -v cc >/dev/null; then
  (
    open_cache
    need_package gcc
    need_package libc6-dev
  )
fi
tests/servers/install.sh envoy alertmanager
say "building (some minutes the first time)"
# Unoptimized: it builds in half the time, and is fast enough by far.
cargo build --package fusegate --package fusegate-demo --bin fusegate --bin fusegate-demo
exec cargo run --quiet --package fusegate-demo -- "$@"
