# What the install scripts share: where the cache is, how progress and failure are told, how a folder is installed whole or not at all.
# Sourced by install.sh; not run by itself.

cache="${FUSEGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/fusegate}/servers"
bin="$cache/bin"
logs="$cache/logs"
work=""

say() { printf '[servers %s] %s\n' "$(date +%H:%M:%S)" "$*" >&2; }

fail() {
  say "error: $*"
  exit 1
}

# Takes the lock of the cache and makes a work folder on the same file system, which goes away however the script ends.
open_cache() {
  mkdir -p "$bin" "$logs"
  exec 9>"$cache/.lock"
  if ! flock --nonblock 9; then
    say "another install is running; waiting for it"
    flock 9
  fi
  # The lock is ours, so a work folder that is still here was left by an install that was killed.
  rm -rf "$cache"/.work-*
  work="$(mktemp -d "$cache/.work-XXXXXX")"
  trap 'rm -rf "$work"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# logged NAME COMMAND…: runs a long step with its output in a log, and shows the log's end if it fails.
logged() {
  local name="$1" status=0
  shift
  "$@" >>"$logs/$name.log" 2>&1 9>&- || status=$?
  if [ "$status" -ne 0 ]; then
    say "error: '$1' failed with status $status; the last lines of $logs/$name.log:"
    tail -n 40 "$logs/$name.log" >&2
    exit "$status"
  fi
}

# settle FOLDER VERSIONED_NAME: moves a finished folder to its place under its version, in one rename.
settle() {
  rm -rf "${cache:?}/$2"
  mv "$1" "$cache/$2"
}

# expose NAME PATH: makes bin/NAME name the program, replacing what it named before in one rename.
expose() {
  ln -s "$2" "$work/link-$1"
  mv -fT "$work/link-$1" "$bin/$1"
}

# given NAME: whether somebody put a program of their own there, instead of a link of ours; it is kept and used.
given() { [ -x "$bin/$1" ] && [ ! -L "$bin/$1" ]; }

# in_assets NAME: whether the folder that the Kubernetes ecosystem's custom names has the program.
in_assets() { [ -n "${KUBEBUILDER_ASSETS:-}" ] && [ -x "$KUBEBUILDER_ASSETS/$1" ]; }

# as_root COMMAND…: for the few prerequisites that only the system's package manager can bring.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    say "need root or sudo for: $*"
    return 1
  fi
}

# need_package PACKAGE: installs one Debian package with the system's package manager.
# Only packages that bring no service are installed this way; the servers are unpacked into the cache instead.
need_package() {
  say "installing the Debian package $1 (log: $logs/apt.log)"
  logged apt as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update
  logged apt as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$1"
}
