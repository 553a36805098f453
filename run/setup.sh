#!/usr/bin/env bash
# Makes the Python environment in $1 from the pinned, hashed requirements. PY names the interpreter.
set -euo pipefail
venv=$1
if [ -z "${PY:-}" ]; then
  echo "No Python 3.11, 3.12 or 3.13 was found. Install one (Debian: apt-get install python3 python3-venv) and try again." >&2
  exit 1
fi
echo "Setting up $venv with $("$PY" --version) (once; a few minutes on a slow line) …"
if ! "$PY" -c 'import ensurepip, venv' 2>/dev/null; then
  package=$("$PY" -c 'import sys; print(f"python{sys.version_info[0]}.{sys.version_info[1]}-venv")')
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing $package …"
    { apt-get update -qq && apt-get install -y -qq "$package"; } >/dev/null
  else
    echo "Python's venv module is missing. Install it first: apt-get install $package" >&2
    exit 1
  fi
fi
[ -x "$venv/bin/python" ] || "$PY" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
echo "The environment is ready."
