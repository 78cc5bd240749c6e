#!/usr/bin/env bash
# Installs the real servers that the tests and the demo run, into a cache outside the checkout.
# It may be run again at any time: what is there is kept, what is missing is made, and an interrupted run leaves nothing half done.
set -euo pipefail

usage() {
  cat <<'USAGE'
usage: install.sh [--only NAME[,NAME…]] [--print-bin]

  --only NAME,…  install only these of: envoy grpcio alertmanager prometheus etcd apiserver
  --print-bin    print the folder that the programs are in, and do nothing

FUSEGATE_CACHE      where to keep them (default: $XDG_CACHE_HOME/fusegate or ~/.cache/fusegate)
KUBEBUILDER_ASSETS  a folder with etcd and kube-apiserver to use instead of building them
USAGE
}

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
. "$here/lib.sh"
. "$here/debian.sh"
. "$here/alertmanager.sh"
. "$here/envoy.sh"
. "$here/grpcio.sh"
. "$here/apiserver.sh"

install_prometheus() { install_debian prometheus 2.42.0 prometheus prometheus; }
install_etcd() { install_debian etcd 3.4.23 etcd-server etcd; }

wanted="envoy grpcio alertmanager prometheus etcd apiserver"
while [ $# -gt 0 ]; do
  case "$1" in
  --only)
    [ $# -ge 2 ] || fail "--only needs names; see --help"
    wanted="${2//,/ }"
    shift 2
    ;;
  --print-bin)
    printf '%s\n' "$bin"
    exit 0
    ;;
  -h | --help)
    usage
    exit 0
    ;;
  *) fail "unknown argument '$1'; see --help" ;;
  esac
done
for name in $wanted; do
  case "$name" in
  envoy | grpcio | alertmanager | prometheus | etcd | apiserver) ;;
  *) fail "unknown server '$name'; the names are: envoy grpcio alertmanager prometheus etcd apiserver" ;;
  esac
done

open_cache
for name in $wanted; do
  program="${name/#apiserver/kube-apiserver}"
  if in_assets "$program"; then
    say "using the $program of KUBEBUILDER_ASSETS"
  elif given "$program"; then
    say "using the $program that was put into $bin"
  else
    "install_$name"
  fi
done
say "ready in $bin: $wanted"
