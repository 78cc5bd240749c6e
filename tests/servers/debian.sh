# Debian packages, binary and source, fetched with a package index of our own and unpacked into the cache.
# Nothing is installed on the machine, so no service is started or enabled and no root is needed,
# and the machine's own sources list, which seldom has `deb-src`, stays as it is.
# Sourced by install.sh; not run by itself.

apt_ready=""

# Writes the machine's own Debian entries, binary and source, to the folder $1.
# Entries of other archives are left out: they have none of these packages, and often no sources at all.
derive_sources() {
  local codename="$1" to="$2" file
  for file in /etc/apt/sources.list.d/*.sources; do
    [ -f "$file" ] || continue
    awk -v codename="$codename" '
      function flush() {
        if (keep && main && enabled) printf "%s\n", text
        text = ""; keep = 0; main = 0; enabled = 1
      }
      BEGIN { enabled = 1 }
      /^[[:space:]]*$/ { flush(); next }
      /^#/ { next }
      tolower($1) == "types:" { text = text "Types: deb deb-src\n"; next }
      tolower($1) == "suites:" { for (i = 2; i <= NF; i++) if ($i ~ "^" codename "(-updates|-security)?$") keep = 1 }
      tolower($1) == "components:" { for (i = 2; i <= NF; i++) if ($i == "main") main = 1 }
      tolower($1) == "enabled:" && tolower($2) == "no" { enabled = 0 }
      { text = text $0 "\n" }
      END { flush() }
    ' "$file" >"$to/$(basename "$file")"
  done
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -f "$file" ] || continue
    sed -nE "/^deb[[:space:]].*[[:space:]]$codename(-updates|-security)?[[:space:]].*\bmain\b/{p;s/^deb/deb-src/p}" \
      "$file" >"$to/$(basename "$file")"
  done
  find "$to" -type f -empty -delete
}

# apt NAME…: the package tools, told to keep index, cache and sources list in our work folder.
apt() {
  local tool="$1"
  shift
  "$tool" -q \
    -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/apt/sources" \
    -o Dir::State="$work/apt/state" -o Dir::State::status=/var/lib/dpkg/status \
    -o Dir::Cache="$work/apt/cache" -o APT::Sandbox::User= -o Acquire::Retries=3 -o Acquire::Languages=none "$@"
}

open_debian() {
  [ -z "$apt_ready" ] || return 0
  local codename
  codename="$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")"
  command -v apt-get >/dev/null && [ "$codename" = bookworm ] ||
    fail "these servers come from Debian 12 (bookworm) and this is '$codename'; put your own etcd, kube-apiserver, prometheus and alertmanager into $bin, or leave out the first two and name their folder in KUBEBUILDER_ASSETS"
  mkdir -p "$work/apt"/{sources,state/lists/partial,cache/archives/partial,debs}
  derive_sources "$codename" "$work/apt/sources"
  [ -n "$(ls "$work/apt/sources")" ] ||
    fail "found no entry for $codename main in /etc/apt/sources.list or /etc/apt/sources.list.d; add the machine's Debian mirror there"
  say "reading Debian's package index"
  logged debian apt apt-get -o APT::Update::Error-Mode=any update
  apt_ready=yes
}

# unpack_debian FOLDER PACKAGE…: downloads packages and unpacks their files under the folder.
unpack_debian() {
  local to="$1" package
  shift
  open_debian
  mkdir -p "$to"
  for package in "$@"; do
    (cd "$work/apt/debs" && logged debian apt apt-get download "$package")
    logged debian dpkg-deb --extract "$work/apt/debs/${package}"_*.deb "$to"
  done
}

# install_debian NAME VERSION PACKAGE PROGRAM: one server's program out of one package.
install_debian() {
  local name="$1" version="$2" package="$3" program="$4"
  if [ ! -x "$cache/$name-$version/$name" ]; then
    say "fetching $name $version from the Debian package $package"
    unpack_debian "$work/$name" "$package"
    mkdir -p "$work/$name-$version"
    mv "$work/$name/usr/bin/$program" "$work/$name-$version/$name"
    check_version "$name" "$version" "$work/$name-$version/$name"
    settle "$work/$name-$version" "$name-$version"
  fi
  expose "$name" "../$name-$version/$name"
}

# check_version NAME VERSION PROGRAM: a program that does not run fails here; another version than expected is told.
check_version() {
  local says
  says="$("$3" --version 2>&1)" || fail "$1 does not run: $says"
  case "$says" in
  *"$2"*) ;;
  *) say "warning: this Debian's $1 is not version $2: $says" ;;
  esac
}
