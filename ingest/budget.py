"""Call budgets: at most N calls in any period, shared by every thread of one source."""

from __future__ import annotations

import threading
from collections import deque

from ingest.spec_parts import parse_rate
from ops import clock


class Budget:
    """A sliding window: `take` waits until one more call fits. An empty rate never waits."""

    def __init__(self, rate: str) -> None:
        self._limit, self._period = parse_rate(rate) if rate else (0.0, 0.0)
        self._taken: deque[float] = deque()
        self._lock = threading.Lock()

    def take(self) -> float:
        """Wait for room and use it; the seconds waited."""
        waited = 0.0
        while (pause := self._reserve()) > 0:
            clock.sleep(pause)
            waited += pause
        return waited

    def _reserve(self) -> float:
        if not self._limit:
            return 0.0
        with self._lock:
            now = clock.monotonic()
            while self._taken and self._taken[0] <= now - self._period:
                self._taken.popleft()
            if len(self._taken) < max(1, int(self._limit)):
                self._taken.append(now)
                return 0.0
            return self._taken[0] + self._period - now + 0.001


class Budgets:
    """The budgets of one source by bucket name; the first rate given for a bucket counts."""

    def __init__(self) -> None:
        self._by_name: dict[str, Budget] = {}
        self._lock = threading.Lock()

    def of(self, bucket: str, rate: str) -> Budget:
        """The budget called `bucket`, made with `rate` when new."""
        with self._lock:
            if bucket not in self._by_name:
                self._by_name[bucket] = Budget(rate)
            return self._by_name[bucket]
