"""The product's own process in the alert campaign: judges and delivers when told, and may be killed at any time.

`python -m bench.alert_worker HOME BUILD` reads one JSON object a line: {"now", "do": evaluate | deliver, "version"}.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from bench.alert_build import Build
from model import alerts, delivery
from ops.instance import Instance


def main() -> int:
    """Answer every line with one JSON object until the input ends."""
    instance, path = Instance.load(Path(sys.argv[1])), Path(sys.argv[2])
    for line in sys.stdin:
        order = json.loads(line)
        os.environ["C360_NOW"] = order["now"]
        build = Build(order["version"], path)
        wall, used = time.perf_counter(), time.process_time()
        answer: dict[str, object] = {}
        if order["do"] == "evaluate":
            result = alerts.evaluate(instance, build)
            answer = {"fired": result.fired, "active": result.active}
        else:
            answer = dict(delivery.deliver(instance, published=build))
        answer |= {"seconds": time.perf_counter() - wall, "cpu": time.process_time() - used}
        print(json.dumps(answer), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
