"""Debian packages: installed once, when we are root, one installation at a time; nothing is started by them."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

from realsystems.environments import NotRun
from realsystems.processes import run


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
        run([*apt, "install", "-y", "--no-install-recommends", *names], env=env)
