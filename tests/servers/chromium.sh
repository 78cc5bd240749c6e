# The browser that the page is looked at with: Debian's Chromium, with its driver of the same version.
# Sourced by install.sh; not run by itself.

make_chromium() {
  if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
    need_package chromium-driver
  fi
  mkdir -p "$work/$home"
  ln -s "$(command -v chromedriver)" "$work/$home/chromedriver"
  logged chromium "$work/$home/chromedriver" --version
}
