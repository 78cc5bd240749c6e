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
  [ -z "$work" ] || return 0
  mkdir -p "$bin" "$logs"
  exec 9>"$cache/.lock"
  if ! flock --nonblock 9; then
    say "another install is running; waiting for it"
    flock 9
  fi
  # The lock is ours, so a work folder that is still here was left by an install that was killed.
  rm -rf "$cache"/.work-*
  work="$(mktemp -d "$cache/.work-XXXXXX")"
  trap close_cache EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# What runs in the background does not hear of Ctrl-C by itself.
close_cache() {
  jobs -p | xargs -r kill 2>/dev/null || true
  wait
  rm -rf "$work"
}

# logged NAME COMMAND…: runs a long step with its output in a log, tells how far it is, and shows the log's end if it fails.
logged() {
  local name="$1" log="$logs/$1.log" status=0 step ticker
  shift
  "$@" >>"$log" 2>&1 9>&- &
  step=$!
  tell_progress "$name" 9>&- &
  ticker=$!
  wait "$step" || status=$?
  kill "$ticker"
  if [ "$status" -ne 0 ]; then
    say "error: '$1' failed with status $status; the last lines of $log:"
    tail -n 40 "$log" >&2
    exit "$status"
  fi
}

# Every half minute, the log's last line, and how many lines there are, of how many where that is known.
tell_progress() {
  local log="$logs/$1.log" began="$SECONDS"
  while sleep 30 2>/dev/null >&2; do
    say "$1, $((SECONDS - began)) s: line $(wc -l <"$log")${lines:+ of at most $lines}, $(tail -n 1 "$log")"
  done
}

# settle FOLDER NAME: moves a finished folder to its place in the cache, in one rename.
settle() {
  rm -rf "${cache:?}/$2"
  mv "$1" "$cache/$2"
}

# expose NAME FOLDER: makes bin/NAME name the program of that name in a folder of the cache, replacing what it named before in one rename.
expose() {
  mkdir -p "$(dirname "$bin/$1")"
  ln -srf "$cache/$2/$1" "$bin/$1.new"
  mv -fT "$bin/$1.new" "$bin/$1"
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
# Only packages that bring no service are installed this way.
need_package() {
  command -v apt-get >/dev/null || fail "'$1' is missing, and there is no apt-get to install it with"
  say "installing the Debian package $1 (log: $logs/apt.log)"
  logged apt as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update
  logged apt as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$1"
}
