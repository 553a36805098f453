#!/usr/bin/env bash
# Finds a Chromium for the browser tests: an installed one, else the distribution's package, else Playwright's download.
set -euo pipefail
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  if command -v "$name" >/dev/null; then exit 0; fi
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  echo "Installing Chromium and a Chinese font for the browser tests …"
  { apt-get update -qq && apt-get install -y -qq chromium fonts-noto-cjk; } >/dev/null
else
  echo "Downloading Playwright's Chromium for the browser tests …"
  .venv/bin/python -m playwright install chromium
fi
