#!/usr/bin/env bash
# Installs the real servers and clients that the tests and the demo run, into a cache outside the checkout.
# It may be run again at any time: what is there is kept, what is missing is made, and an interrupted run leaves nothing half done.
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
. "$here/lib.sh"
. "$here/wheels.sh"
. "$here/go.sh"
. "$here/chromium.sh"
. "$here/debian.sh"
. "$here/clients.sh"

cargo_semver_checks_version=0.51.0
mdbook_version=0.5.4

# What each kind of tests runs, in the order of how soon it is made.
for_test="envoy grpcio chromedriver etcd kube-apiserver alertmanager prometheus promtool amtool helm pprof collector operator-crds umoci mdbook"
for_oldest="etcd oldest/kube-apiserver oldest/prometheus"
for_peers="kube-controller-manager kube-scheduler kwok flagger argo-rollouts"
for_clients="grpcio grpc-go grpc-java grpc-node grpc-rust"

usage() {
  cat <<USAGE
usage: install.sh [--print-bin] [NAME…]

  NAME         a server, or all that a kind of tests runs:
               test    $for_test (if nothing is named)
               oldest  $for_oldest
               peers   $for_peers
               clients $for_clients
  --print-bin  print the folder that the programs are in, and do nothing

FUSEGATE_CACHE      where to keep them (default: \$XDG_CACHE_HOME/fusegate or ~/.cache/fusegate)
KUBEBUILDER_ASSETS  a folder with etcd and kube-apiserver to use instead of building them
USAGE
}

# recipe NAME: sets the folder of the cache that a server goes to, and the function that makes it there.
recipe() {
  case "$1" in
  envoy | grpcio)
    local version="${1}_version"
    home="$1-${!version}" make="make_$1"
    ;;
  cargo-deny)
    home="cargo-deny-$cargo_deny_version" make=make_cargo_deny
    ;;
  cargo-semver-checks | mdbook)
    local version="${1//-/_}_version"
    home="$1-${!version}" make=make_by_cargo
    ;;
  operator-crds)
    home="operator-crds-$(sha256sum <<<"$operator_crds" | cut -c1-12)" make=make_operator_crds
    ;;
  umoci)
    home=debian make=make_umoci
    ;;
  chromedriver)
    home=chromium make=make_chromium
    ;;
  oldest/prometheus)
    home=oldest-prometheus-debian make=make_debian_prometheus
    ;;
  grpc-java | grpc-node | grpc-rust) client_recipe "$1" ;;
  *)
    go_recipe "$1"
    make=make_go
    ;;
  esac
}

install() {
  if in_assets "$1"; then
    say "using the $1 of KUBEBUILDER_ASSETS"
  elif given "$1"; then
    say "using the $1 that was put into $bin"
  else
    recipe "$1"
    if [ ! -x "$cache/$home/$1" ]; then
      open_cache
    fi
    # Somebody else may have made it while we waited for the cache.
    if [ ! -x "$cache/$home/$1" ]; then
      "$make" "$1"
      settle "$work/$home" "$home"
    fi
    expose "$1" "$home"
  fi
}

# Makes images without a container engine.
make_umoci() {
  command -v umoci >/dev/null || need_package umoci
  mkdir -p "$work/$home"
  ln -s "$(command -v umoci)" "$work/$home/umoci"
}

# make_by_cargo NAME: builds cargo-semver-checks, which compares the public API of the library crates with that of their last release, or mdbook.
make_by_cargo() {
  local version="${1//-/_}_version" minutes=four
  [ "$1" = mdbook ] || minutes=six
  say "building $1 ${!version}, $minutes minutes on two cores (log: $logs/$1.log)"
  logged "$1" env CARGO_TARGET_DIR="$work/$1" cargo install "$1" --version "${!version}" --locked --root "$work/$1/root"
  mkdir -p "$work/$home"
  cp "$work/$1/root/bin/$1" "$work/$home/"
}

known() { [[ " envoy oldest/prometheus chromedriver umoci cargo-deny cargo-semver-checks mdbook operator-crds $for_clients $(awk '{ printf "%s ", $1 }' <<<"$go_programs")" == *" $1 "* ]]; }

wanted=""
for argument in "$@"; do
  case "$argument" in
  --print-bin)
    printf '%s\n' "$bin"
    exit 0
    ;;
  -h | --help)
    usage
    exit 0
    ;;
  test | oldest | peers | clients)
    group="for_$argument"
    wanted="$wanted ${!group}"
    ;;
  *)
    known "$argument" || fail "unknown server '$argument'; see --help"
    wanted="$wanted $argument"
    ;;
  esac
done

# What the builds need is kept until every server stands, since they share most of it, and is some gigabytes.
tidy() {
  local name
  for name in $for_test $for_oldest $for_peers; do
    [ -x "$bin/$name" ] || return 0
  done
  if [ -d "$cache/go/mod" ]; then
    open_cache
    rm -rf "$cache/go/mod" "$cache/go/build"
  fi
}

for name in ${wanted:-$for_test}; do
  install "$name"
done
tidy
say "ready in $bin:${wanted:-" $for_test"}"
