"""Files of a published build: copied whole, or patched from a version that is no longer kept.

A DuckDB file is three headers and blocks of one size. A file that held an earlier build differs from today's in few
blocks; those are written, and the rest stays where it lies. Blocks that may have been written are compared whole: the
check sum that each begins with is the same for the same words in another order, and rows that changed places are
another block.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
from collections.abc import Collection
from pathlib import Path

from model.written import BLOCK, HEADERS

_FICLONE = 0x40049409  # linux/fs.h: share the blocks of another file (btrfs, xfs)
_SUM = 8  # bytes of the check sum that each block begins with


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


def patch(source: Path, target: Path, written: Collection[int] | None = None) -> int:
    """Make the DuckDB file `target` equal to `source`, writing the blocks that differ; returns how many did.

    `written`: the blocks that were written since `target` was equal to `source`. Of the others only the check sums are
    compared, which would tell one that is missing there; None: not known, so that blocks are compared whole.
    """
    count = 0
    with source.open("rb") as read, target.open("r+b") as write:
        old, new = read.fileno(), write.fileno()
        for handle in (old, new):
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_SEQUENTIAL if written is None else os.POSIX_FADV_RANDOM)
        size = os.fstat(old).st_size
        os.ftruncate(new, size)
        os.pwrite(new, os.pread(old, HEADERS, 0), 0)
        for index, offset in enumerate(range(HEADERS, size, BLOCK)):
            is_whole = written is None or index in written
            if not is_whole and os.pread(old, _SUM, offset) == os.pread(new, _SUM, offset):
                continue
            block = os.pread(old, BLOCK, offset)
            if block != os.pread(new, BLOCK, offset):
                os.pwrite(new, block, offset)
                count += 1
        os.fsync(new)
    return count
