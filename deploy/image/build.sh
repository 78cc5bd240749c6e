#!/usr/bin/env bash
# build.sh PROGRAM LAYOUT TAG: makes an OCI image of the program without a container engine, with umoci (apt-get install umoci).
# Push it with any tool that reads OCI layouts, such as: skopeo copy oci:LAYOUT:TAG docker://REGISTRY/fusegate:TAG
# The same program on the same system makes the same image, byte for byte.
set -euo pipefail

program="$1" layout="$2" tag="$3"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# Of the last commit, where there is one, so that nothing depends on when it is built.
epoch="${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct 2>/dev/null || echo 0)}"
created="$(date --utc --date "@$epoch" +%Y-%m-%dT%H:%M:%SZ)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

command -v umoci >/dev/null || {
  echo "umoci is missing: apt-get install umoci" >&2
  exit 1
}

"$here/rootfs.sh" "$program" "$work/rootfs"
find "$work/rootfs" -exec touch --no-dereference --date "@$epoch" {} +

rm -rf "$layout"
umoci init --layout "$layout"
umoci new --image "$layout:$tag"
rootless=()
[ "$(id -u)" -eq 0 ] || rootless=(--rootless)
umoci insert "${rootless[@]}" --image "$layout:$tag" --history.created "$created" "$work/rootfs" /

# setting NAME: what the Dockerfile's last stage says, without the brackets, quotes and commas of a list.
setting() { sed -n '/^FROM scratch/,$ s/^'"$1"' //p' "$here/Dockerfile" | tr -d '[]",'; }
umoci config --image "$layout:$tag" --created "$created" --history.created "$created" \
  --os linux --architecture "$(dpkg --print-architecture)" \
  --config.user "$(setting USER)" --config.entrypoint "$(setting ENTRYPOINT)" --config.cmd "$(setting CMD)"
umoci gc --layout "$layout"
