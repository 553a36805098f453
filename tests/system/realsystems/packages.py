"""Debian packages: installed once, when we are root, one installation at a time; nothing is started by them."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from pathlib import Path

from realsystems.environments import NotRun
from realsystems.processes import run


def bundler() -> dict[str, str]:
    """The setting that makes Ruby use Debian's Bundler, which finds Debian's gems.

    Ruby itself may bring a newer one that does not, and would be preferred: Redmine's package then cannot be set up.
    """
    said = subprocess.run(["apt-cache", "show", "ruby-bundler"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"^Version: ([0-9.]+)", said, re.MULTILINE)
    return {"BUNDLER_VERSION": version[1]} if version else {}


def install(*names: str) -> None:
    """Install packages with apt; NotRun says what is missing when we may not."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise NotRun(f"needs the Debian packages {' '.join(names)}, and root to install them")
    # RUNLEVEL=1 keeps the packages' own services from starting; apt waits for another installation
    env = {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    with Path("/var/tmp/c360-apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        apt = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "-qq"]
        run([*apt, "update"], env=env)
        env |= bundler()
        run([*apt, "install", "-y", "--no-install-recommends", *names], env=env)
