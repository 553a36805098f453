"""`python -m data.demo`: generate, serve, print one JSON line with addresses and credentials, run until stopped."""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import threading
from datetime import date

import orjson

from data.demo import clock
from data.demo.company import generate
from data.demo.simulators import NAMES, serve


def main() -> None:
    """Parse options, serve, wait for SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m data.demo", description=__doc__)
    parser.add_argument("--port-base", type=int, default=0, help="first of four ports; 0 takes free ones")
    parser.add_argument("--customers", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=20260101)
    parser.add_argument("--months", type=int, default=36)
    parser.add_argument("--today", type=date.fromisoformat, default=None, help="default: today in Shanghai")
    parser.add_argument("--tick", type=float, default=0, help="seconds between background changes; 0 = none")
    parser.add_argument(
        "--zendesk-exports", type=int, default=600, help="incremental exports per minute (the vendor: 10)"
    )
    parser.add_argument(
        "--withhold-seconds", type=int, default=1, help="newest changes withheld by Zendesk (the vendor: 60)"
    )
    options = parser.parse_args()
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    company = generate(options.customers, options.seed, options.months, today=options.today or clock.today())
    ports = {name: options.port_base + k for k, name in enumerate(NAMES)} if options.port_base else None
    demo = serve(
        company,
        ports=ports,
        zendesk_exports=options.zendesk_exports,
        withhold_seconds=options.withhold_seconds,
        tick=options.tick,
    )
    gc.freeze()  # the company stays; collecting it again and again would cost more than serving
    with demo:
        line = {"urls": demo.urls, "credentials": demo.credentials, "today": company.truth["as_of"]}
        sys.stdout.write(orjson.dumps(line).decode() + "\n")
        sys.stdout.flush()
        stopping.wait()


if __name__ == "__main__":
    main()
