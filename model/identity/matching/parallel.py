"""Work on chunks of pairs in threads: numpy, polars and rapidfuzz let go of the interpreter while they count."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
_MOST_THREADS = 4


def over(size: int, chunk: int, work: Callable[[slice], T]) -> Iterator[T]:
    """`work` on slices of `chunk` that cover `size`, in order; on several threads where there are several slices."""
    parts = [slice(start, start + chunk) for start in range(0, size, chunk)]
    threads = min(len(parts), os.cpu_count() or 1, _MOST_THREADS)
    if threads < 2:
        yield from map(work, parts)
        return
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(work, parts)
