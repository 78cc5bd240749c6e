#!/usr/bin/env bash
# Builds the peer, go-control-plane with a small program around it, out of Debian sid's packages, into the cache of the tests' servers.
# Nothing is installed on the machine. The last line that it prints is the program's path.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
servers="$here/../../../tests/servers"
. "$servers/lib.sh"
. "$servers/debian.sh"

# What the program imports, and what that does.
libraries=(
  golang-github-envoyproxy-go-control-plane-dev golang-google-grpc-dev golang-google-protobuf-dev
  golang-google-genproto-dev golang-github-cncf-xds-dev golang-github-envoyproxy-protoc-gen-validate-dev
  golang-cel-expr-dev golang-golang-x-net-dev golang-golang-x-sys-dev golang-golang-x-text-dev
  golang-github-planetscale-vtprotobuf-dev golang-github-golang-protobuf-1-5-dev
)
go=golang-1.26

# The machine's own Debian entries, for sid: its mirror has that suite too.
open_sid() {
  mkdir -p "$work/apt"/{sources,state/lists/partial,cache/archives/partial,debs}
  derive_sources "$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")" "$work/apt/sources"
  only_sid "$work/apt/sources"
  say "reading the package index of Debian sid"
  logged peer apt apt-get update
  apt_ready=yes
}

# Of several entries only that of the main archive has sid.
only_sid() {
  local file
  for file in "$1"/*.sources; do
    [ -f "$file" ] || continue
    # derive_sources leaves no empty lines between entries: each begins with its types.
    awk '
      function flush() { if (text != "" && text !~ /-security/) printf "%s\n", text; text = "" }
      tolower($1) == "types:" { flush(); text = "Types: deb\n"; next }
      tolower($1) == "suites:" { text = text ($0 ~ /-security/ ? $0 : "Suites: sid") "\n"; next }
      { text = text $0 "\n" }
      END { flush() }
    ' "$file" >"$file.sid"
    mv "$file.sid" "$file"
  done
  for file in "$1"/*.list; do
    [ -f "$file" ] || continue
    sed -i -E '/-(security|updates)[[:space:]]/d; /^deb-src/d; s/^(deb([[:space:]]+\[[^]]*\])?[[:space:]]+[^[:space:]]+)[[:space:]].*/\1 sid main/' "$file"
  done
  find "$1" -type f -empty -delete
}

open_cache
home="peer-$(cat "$here/main.go" "${BASH_SOURCE[0]}" | sha256sum | cut -c1-12)"
if [ ! -x "$cache/$home/go-control-plane" ]; then
  command -v apt-get >/dev/null || fail "the peer is built of Debian packages, and there is no apt-get here"
  open_sid
  unpack_debian "$work/root" "$go-go" "$go-src" "${libraries[@]}"
  mkdir -p "$work/root/usr/share/gocode/src/peer" "$work/$home"
  cp "$here/main.go" "$work/root/usr/share/gocode/src/peer/"
  export GOROOT="$work/root/usr/lib/${go/golang/go}" GOPATH="$work/root/usr/share/gocode" GOCACHE="$work/gocache" GOTMPDIR="$work"
  export GO111MODULE=off CGO_ENABLED=0 GOFLAGS= GOTOOLCHAIN=local
  say "building the peer (log: $logs/peer.log)"
  logged peer "$GOROOT/bin/go" build -o "$work/$home/go-control-plane" peer
  settle "$work/$home" "$home"
fi
printf '%s\n' "$cache/$home/go-control-plane"
