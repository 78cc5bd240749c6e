# kube-apiserver, built from Debian's source package with Debian's Go.
# Sourced by install.sh; not run by itself.

apiserver_version=1.20.2
# Raised when the way it is built changes, so that caches build it anew.
apiserver_recipe=1

install_apiserver() {
  local home="kube-apiserver-$apiserver_version-$apiserver_recipe"
  if [ ! -x "$cache/$home/kube-apiserver" ]; then
    build_apiserver "$work/$home"
    settle "$work/$home" "$home"
  fi
  expose kube-apiserver "../$home/kube-apiserver"
}

build_apiserver() {
  local to="$1" tree="$work/gopath/src/k8s.io/kubernetes"
  : >"$logs/apiserver.log"
  command -v dpkg-source >/dev/null || need_package dpkg-dev
  command -v patch >/dev/null || need_package patch
  fetch_apiserver_source "$tree"
  unpack_debian "$work/go" golang-1.19-go golang-1.19-src golang-github-modern-go-reflect2-dev
  export GOROOT="$work/go/usr/lib/go-1.19" GOPATH="$work/gopath" GOCACHE="$work/gocache" GOTMPDIR="$work"
  export GO111MODULE=off CGO_ENABLED=0 GOFLAGS=
  replace_reflect2 "$tree"
  cd "$tree"
  say "building kube-apiserver 1 of 2: its OpenAPI definitions (log: $logs/apiserver.log)"
  generate_openapi "$tree"
  say "building kube-apiserver 2 of 2: the server; about four minutes on two idle cores"
  logged apiserver "$GOROOT/bin/go" build \
    -ldflags "-s -w -X k8s.io/kubernetes/vendor/k8s.io/component-base/version.gitVersion=v$apiserver_version" \
    -o "$to/kube-apiserver" ./cmd/kube-apiserver
  cd "$cache"
  case "$("$to/kube-apiserver" --version)" in
  *"$apiserver_version"*) ;;
  *) fail "the built kube-apiserver does not name version $apiserver_version" ;;
  esac
  say "built kube-apiserver $apiserver_version"
}

fetch_apiserver_source() {
  open_debian
  say "fetching the Debian source package kubernetes"
  mkdir -p "$work/source" "$(dirname "$1")"
  (cd "$work/source" && logged apiserver apt apt-get source --download-only kubernetes)
  logged apiserver dpkg-source --no-check -x "$work"/source/kubernetes_*.dsc "$1"
}

# From Go 1.18 on, the vendored reflect2 crashes in `mapiterinit` under the first list of custom resources.
replace_reflect2() {
  local vendored="$1/vendor/github.com/modern-go/reflect2"
  local debian="$work/go/usr/share/gocode/src/github.com/modern-go/reflect2"
  rm -rf "$vendored"
  cp -rL "$debian" "$vendored"
  find "$vendored" -name '*_test.go' -delete
  rm -rf "$vendored/reflect2_tests" "$vendored"/*tests*
}

# The tarball lacks `zz_generated.openapi.go`. Every folder with a marked file counts, not only those whose doc.go
# is marked: without the others the server exits with "cannot find model definition".
generate_openapi() {
  logged apiserver "$GOROOT/bin/go" build -o "$work/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
  logged apiserver "$work/openapi-gen" \
    -O zz_generated.openapi \
    --go-header-file hack/boilerplate/boilerplate.generatego.txt \
    --output-package k8s.io/kubernetes/pkg/generated/openapi \
    --output-base "$GOPATH/src" \
    --report-filename "$work/openapi-violations" \
    --input-dirs "$(marked_packages)"
}

# The packages with a `+k8s:openapi-gen=true` mark, as one comma-separated list of import paths.
marked_packages() {
  grep -rl --include='*.go' '+k8s:openapi-gen=true' staging/src/k8s.io pkg cmd |
    grep -vE '/(code-generator|sample-[a-z-]*|kube-openapi|test|tests|testing|testdata)/' |
    xargs -n 1 dirname | sort -u |
    sed -E 's#^staging/src/#vendor/#; s#^#k8s.io/kubernetes/#' |
    paste -sd, -
}
