#!/bin/sh
# The browser tests drive a Chromium that is on the PATH. Where there is none, install Debian's if that is allowed;
# otherwise say what to do and let the browser tests skip with the same words.
for name in chromium chromium-browser google-chrome-stable google-chrome; do
    if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ]; then as_root=""; elif sudo -n true 2>/dev/null; then as_root="sudo -n"; else as_root="no"; fi
    if [ "$as_root" != no ]; then
        echo "Installing Debian's Chromium for the browser tests ..."
        $as_root apt-get update -qq || true
        if DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; then
            exit 0
        fi
    fi
fi
echo "No Chromium on the PATH and none could be installed: the browser tests will be skipped." >&2
echo "Remedy: install Chromium or Google Chrome with your system's package manager, then run 'make test' again." >&2
exit 0
