"""`python -m bench NAME --json [--customers N] [--records N] [--page N]`: prints one JSON object.

The build benchmark also takes `--increments N` and `--home FOLDER`, the fault campaign `--schedules N` and `--seed N`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys

NAMES = ("ingest", "build", "lookup", "search", "aging", "alerts", "identity", "faults")


def main() -> int:
    """Run one benchmark and print its figures."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument("--json", action="store_true", help="print one JSON object (the only format)")
    parser.add_argument("--customers", type=int, help="size of the synthetic company")
    parser.add_argument("--records", type=int, default=100_000, help="records of the ingest benchmark")
    parser.add_argument("--page", type=int, default=100, help="records of one page of the ingest benchmark")
    parser.add_argument("--no-dlt", action="store_true", help="ingest: leave the peer out, which takes longest")
    parser.add_argument("--noop", action="store_true", help="ingest: what collecting again costs with nothing changed")
    parser.add_argument("--increments", type=int, help="increments of the build benchmark before the second lookups")
    parser.add_argument("--home", help="folder in which the build benchmark keeps its company for a later run")
    parser.add_argument("--schedules", type=int, help="schedules of the fault campaign")
    parser.add_argument("--first", type=int, help="seed of the fault campaign's first schedule; random without it")
    parser.add_argument("--seed", type=int, help="replay one schedule of the fault campaign")
    arguments = parser.parse_args()
    module = importlib.import_module(f"bench.{arguments.name}")
    arguments.customers = arguments.customers or getattr(module, "CUSTOMERS", 2_000)
    figures = module.run(arguments)
    print(json.dumps({"bench": arguments.name, **figures}, ensure_ascii=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
