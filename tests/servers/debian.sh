# The programs that come in a Debian package, unpacked into the cache and not installed: a package that brings a service would start it.
# Sourced by install.sh; not run by itself.

# Debian 12 has Prometheus 2.42, the oldest that the tests are run on.
make_debian_prometheus() {
  command -v apt-get >/dev/null || fail "$1 comes from a Debian package, and there is no apt-get to fetch it with"
  say "fetching the Debian package prometheus (log: $logs/debian.log)"
  mkdir -p "$work/package" "$work/$home/oldest"
  (cd "$work/package" && logged debian apt-get -q download prometheus)
  logged debian dpkg-deb --extract "$work/package"/prometheus_*.deb "$work/package"
  cp "$work/package/usr/bin/prometheus" "$work/$home/$1"
  logged debian "$work/$home/$1" --version
}
