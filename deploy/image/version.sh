#!/usr/bin/env bash
# Prints what `fusegate --version` says of a program that is built from this commit, for FUSEGATE_VERSION:
# the version, the commit and its date, such as 0.1.0 (1a2b3c4d5e6f 2026-11-30); the version alone where there is no commit.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

version="$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"$/\1/p' Cargo.toml)"
commit="$(git log -1 --abbrev=12 --format='%h %cs' 2>/dev/null || true)"
echo "$version${commit:+ ($commit)}"
