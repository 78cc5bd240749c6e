#!/usr/bin/env bash
# Installs the gRPC clients that `make test-clients` runs, into ~/.cache/fusegate/clients or FUSEGATE_CLIENTS.
# A client whose sources have not changed stays as it is.
set -euo pipefail

sources=$(cd "$(dirname "$0")" && pwd)
target=${FUSEGATE_CLIENTS:-$HOME/.cache/fusegate/clients}
mkdir -p "$target"

# install NAME COMMAND...: runs the command in a copy of the client's sources, and keeps what it leaves in `out`.
install() {
  local name=$1 work hash
  shift
  hash=$(find "$sources/$name" -type f -print0 | sort -z | xargs -0 sha256sum | sed "s#$sources/##" | sha256sum | cut -d' ' -f1)
  [ "$(cat "$target/$name/.hash" 2>/dev/null || true)" != "$hash" ] || return 0
  echo "installing the client $name" >&2
  work=$(mktemp -d "$target/.work-XXXXXX")
  cp -R "$sources/$name/." "$work/"
  mkdir "$work/out"
  (cd "$work" && "$@") >"$target/$name.log" 2>&1 || {
    tail -20 "$target/$name.log" >&2
    echo "the client $name could not be installed; its log is $target/$name.log" >&2
    exit 1
  }
  echo "$hash" >"$work/out/.hash"
  rm -rf "${target:?}/$name"
  mv "$work/out" "$target/$name"
  rm -rf "$work"
}

need() {
  command -v "$1" >/dev/null || {
    echo "the client $2 needs $1 (on Debian: apt-get install $3)" >&2
    exit 1
  }
}

node() { npm install --no-audit --no-fund --ignore-scripts && cp -R client.js node_modules out/; }
java() { mvn -q -B package dependency:copy-dependencies -DincludeScope=runtime && cp target/*.jar target/dependency/*.jar out/; }
go() { command go build -o out/client .; }
tonic() { CARGO_TARGET_DIR="$target/.tonic" cargo build --locked && cp "$target/.tonic/debug/client" out/; }

need npm node nodejs
need mvn java maven
need go go golang
install node node
install java java
install go go
install tonic tonic
