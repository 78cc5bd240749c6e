#!/usr/bin/env bash
# rootfs.sh PROGRAM FOLDER: fills an empty folder with all that is in the image.
# It runs on Debian, in the Dockerfile's first stage or on your machine, and takes the libraries of that system.
set -euo pipefail

program="$1" root="$2"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
checkout="$here/../.."
libraries="$root/usr/lib/$(uname -m)-linux-gnu"
documents="$root/usr/share/doc"

mkdir -p "$root"/usr/bin "$root/usr/lib64" "$libraries" "$root"/etc/ssl/certs "$documents/fusegate" "$root"/proc "$root"/dev
ln -s usr/lib "$root/lib"
ln -s usr/lib64 "$root/lib64"

install -m 755 "$program" "$root/usr/bin/fusegate"

# What the program is linked to, and what names hosts: glibc reads both files, and looks addresses up by itself.
ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
  case "$library" in
  # The program names this one by its whole path.
  /lib*/ld-linux*) install -m 755 "$library" "$root/usr$library" ;;
  *) install -m 644 "$library" "$libraries/" ;;
  esac
done
echo "hosts: files dns" >"$root/etc/nsswitch.conf"
echo "nonroot:x:65532:65532:nonroot:/:/sbin/nologin" >"$root/etc/passwd"
echo "nonroot:x:65532:" >"$root/etc/group"

# The authorities that Alertmanagers' certificates usually come from.
install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"

# For who copies the program out of the image: its pages, and what shells complete.
mkdir -p "$root/usr/share/man/man1"
"$program" man --directory "$root/usr/share/man/man1"
shell() { mkdir -p "$(dirname "$root/usr/share/$2")" && "$program" completions "$1" >"$root/usr/share/$2"; }
shell bash bash-completion/completions/fusegate
shell zsh zsh/site-functions/_fusegate
shell fish fish/vendor_completions.d/fusegate.fish

# Licences: ours, of every crate, and of what is Debian's; and the list of all of it.
install -m 644 "$checkout/LICENSE" "$documents/fusegate/"
for package in libc6 libgcc-s1 ca-certificates; do
  install -D -m 644 "/usr/share/doc/$package/copyright" "$documents/$package/copyright"
done
"$here/sbom.py" --licenses "$documents/fusegate/crates" --debian libc6 libgcc-s1 ca-certificates >"$documents/fusegate/sbom.cdx.json"
chmod -R u=rwX,go=rX "$root"
