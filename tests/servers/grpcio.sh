# gRPC for Python, whose core is a second client of the xDS server, from its wheel.
# Sourced by install.sh; not run by itself.

grpcio_version=1.85.1

install_grpcio() {
  local home="grpcio-$grpcio_version"
  if [ ! -x "$cache/$home/grpcio" ]; then
    command -v python3 >/dev/null || need_package python3
    python3 -c 'import venv, ensurepip' 2>/dev/null || need_package python3-venv
    say "fetching gRPC for Python $grpcio_version (log: $logs/grpcio.log)"
    logged grpcio python3 -m venv "$work/grpcio-venv"
    # Into a folder that may be moved, which a virtual environment may not.
    logged grpcio "$work/grpcio-venv/bin/python" -m pip install --quiet --target "$work/$home/lib" "grpcio==$grpcio_version"
    write_python "$work/$home/grpcio"
    logged grpcio "$work/$home/grpcio" -c "import grpc; assert grpc.__version__ == '$grpcio_version'"
    settle "$work/$home" "$home"
  fi
  expose grpcio "../$home/grpcio"
}

# A Python that has the library.
write_python() {
  cat >"$1" <<'LAUNCHER'
#!/bin/sh
PYTHONPATH="$(dirname "$(readlink -f "$0")")/lib" exec python3 "$@"
LAUNCHER
  chmod 755 "$1"
}
