"""Files of a published build: copied whole, or patched from a version that is no longer kept.

A DuckDB file is three headers and blocks of one size. A file that held an earlier build differs from today's in few
blocks; those are written, and the rest stays where it lies. Blocks are compared whole: the checksum that each begins
with is the same for the same words in another order, and rows that changed places are another block.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
from pathlib import Path

_FICLONE = 0x40049409  # linux/fs.h: share the blocks of another file (btrfs, xfs)
_HEADERS = 3 * 4096
_BLOCK = 262_144  # DuckDB's default; another size only makes more blocks look different


def part(path: Path) -> Path:
    """Where `path` is written before it is complete."""
    return path.with_name(f".{path.name}.part")


def sync(path: Path) -> None:
    """Flush a file or a folder to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def copy(source: Path, target: Path) -> None:
    """Make `target` a copy of `source`, sharing its blocks where the file system can."""
    with source.open("rb") as read, target.open("wb") as write:
        try:
            fcntl.ioctl(write.fileno(), _FICLONE, read.fileno())
        except OSError:
            shutil.copyfile(source, target)
    sync(target)


def take(path: Path, new: Path) -> bool:
    """Move a database that nobody has open to `new`; False, and nothing is moved, where that is not certain."""
    lock = getattr(fcntl, "F_OFD_SETLK", None)
    if lock is None or not path.is_file():
        return False
    with path.open("r+b") as file:
        try:
            # of the open file description, so that a reader in this very process counts as well
            fcntl.fcntl(file.fileno(), lock, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        except OSError:
            return False
        path.replace(new)
    return True


def patch(source: Path, target: Path) -> int:
    """Make the DuckDB file `target` equal to `source`, writing the blocks that differ; returns how many did."""
    written = 0
    with source.open("rb") as read, target.open("r+b") as write:
        old, new = read.fileno(), write.fileno()
        for handle in (old, new):
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_SEQUENTIAL)
        size = os.fstat(old).st_size
        os.ftruncate(new, size)
        os.pwrite(new, os.pread(old, _HEADERS, 0), 0)
        for offset in range(_HEADERS, size, _BLOCK):
            block = os.pread(old, _BLOCK, offset)
            if block != os.pread(new, _BLOCK, offset):
                os.pwrite(new, block, offset)
                written += 1
        os.fsync(new)
    return written
