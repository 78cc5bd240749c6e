#!/usr/bin/env bash
# Lints the CRDs of well-known operators, out of the Go modules that their projects publish, and prints how much is found in each.
# lint.sh FUSEGATE [FOLDER]: FOLDER keeps the modules, and the findings as JSON.
# To raise a version, change it here; the checksum database of Go says whether what comes is what was published.
set -euo pipefail

# module, version, and where in it the CRDs are
modules="
github.com/argoproj/argo-cd/v3                           v3.2.0   manifests/crds
github.com/cert-manager/cert-manager                     v1.21.2  deploy/crds
github.com/external-secrets/external-secrets             v1.3.2   config/crds/bases
github.com/fluxcd/flagger                                v1.36.1  artifacts/flagger/crd.yaml
github.com/fluxcd/source-controller                      v1.7.0   config/crd/bases
github.com/kedacore/keda/v2                              v2.21.0  config/crd/bases
github.com/prometheus-operator/prometheus-operator       v0.85.0  example/prometheus-operator-crd
github.com/vmware-tanzu/velero                           v1.18.3  config/crd/v1/bases
istio.io/api                                             v1.32.0  kubernetes/customresourcedefinitions.gen.yaml
knative.dev/serving                                      v0.51.0  config/core/300-resources
sigs.k8s.io/cluster-api                                  v1.14.2  core/config/crd/bases
sigs.k8s.io/gateway-api                                  v1.4.0   config/crd/standard
sigs.k8s.io/kueue                                        v0.17.0  config/components/crd/bases
"

fusegate="$1"
folder="${2:-${FUSEGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fusegate}/crds}"
mkdir -p "$folder/findings"
export GOMODCACHE="$folder/mod" GOFLAGS="-modcacherw"

total=0
while read -r module version path; do
  [ -n "$module" ] || continue
  go mod download "$module@$version"
  found="$folder/findings/${module//\//_}.json"
  status=0
  "$fusegate" lint --output json "$GOMODCACHE/$module@$version/$path" >"$found" || status=$?
  # 1 says that something was found; whatever else is a crash, or a file that can't be read.
  [ "$status" -le 1 ] || { echo "$module@$version: fusegate lint ended with $status" >&2; exit 1; }
  crds="$(grep -c '"origin":' "$found" || true)"
  printf '%4d CRDs  %5d findings  %s@%s\n' "$crds" "$(grep -c '"mend":' "$found" || true)" "$module" "$version"
  total=$((total + crds))
done <<<"$modules"
echo "$total CRDs were linted; the findings are in $folder/findings"
[ "$total" -ge 50 ]
