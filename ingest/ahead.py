"""Reading ahead: the next items are made in a thread of their own while the last ones are worked on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

Item = TypeVar("Item")
DEPTH = 4
_LEAVE_S = 2.0


class _End:
    """The last thing in the queue, with the fault that ended the items, if any."""

    def __init__(self, fault: BaseException | None = None) -> None:
        self.fault = fault


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The same items in the same order, at most DEPTH of them made in advance; a fault comes where it happened.

    The first item is made by the caller: a list of one page costs no thread. Who stops listening early ends the
    thread at its next item.
    """
    for first in items:
        yield first
        break
    else:
        return
    ready: queue.Queue[Item | _End] = queue.Queue(DEPTH)
    is_left = threading.Event()
    thread = threading.Thread(target=_fill, args=(items, ready, is_left), daemon=True)
    thread.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, _End):
                if item.fault is not None:
                    raise item.fault
                return
            yield item
    finally:
        is_left.set()
        while not ready.empty():
            ready.get_nowait()
        thread.join(_LEAVE_S)


def _fill(items: Iterator[Item], ready: queue.Queue[Item | _End], is_left: threading.Event) -> None:
    try:
        for item in items:
            ready.put(item)
            if is_left.is_set():
                return
        ready.put(_End())
    except BaseException as fault:  # whatever it is, the listener must get it
        ready.put(_End(fault))
