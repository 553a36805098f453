"""Ports for servers that are told theirs before they start."""

from __future__ import annotations

import random
import socket


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has, of those that the system gives to no connection by itself.

    A port that the system chose may be the next one it gives to a client of another test before the server takes it.
    """
    for port in random.SystemRandom().sample(range(15_000, 32_000), 200):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port among 200 tried")
