# Alertmanager, from Debian's package.
# Sourced by install.sh; not run by itself.

alertmanager_version=0.25.0
# Raised when what is done to the package's files changes, so that caches make them anew.
alertmanager_recipe=1
# Where Debian's build looks for its templates, and a path of the same length that leads to the folder it runs in.
# Without its templates it does not start, and to put them in the first place would take root.
alertmanager_share=/usr/share/prometheus/alertmanager
alertmanager_here=/proc/self/cwd/./././././././././.

install_alertmanager() {
  local home="alertmanager-$alertmanager_version-$alertmanager_recipe"
  if [ ! -x "$cache/$home/alertmanager" ]; then
    say "fetching alertmanager $alertmanager_version from the Debian package prometheus-alertmanager"
    unpack_debian "$work/alertmanager" prometheus-alertmanager
    mkdir -p "$work/$home"
    cp "$work/alertmanager$alertmanager_share"/*.tmpl "$work/$home"
    sed "s#$alertmanager_share#$alertmanager_here#g" \
      "$work/alertmanager/usr/bin/prometheus-alertmanager" >"$work/$home/alertmanager.bin"
    write_launcher "$work/$home/alertmanager"
    chmod 755 "$work/$home/alertmanager" "$work/$home/alertmanager.bin"
    check_version alertmanager "$alertmanager_version" "$work/$home/alertmanager"
    settle "$work/$home" "$home"
  fi
  expose alertmanager "../$home/alertmanager"
}

write_launcher() {
  cat >"$1" <<'LAUNCHER'
#!/bin/sh
# Alertmanager finds its templates in the folder that it runs in. Paths given to it must be absolute.
cd "$(dirname "$(readlink -f "$0")")" && exec ./alertmanager.bin "$@"
LAUNCHER
}
