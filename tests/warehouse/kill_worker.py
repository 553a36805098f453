"""A builder that stages one change after another and builds each, until it is killed.

Step n adds invoice n and renames the customer to `n`, in one transaction: whoever sees one sees the other.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

from ops.instance import Instance
from tests.warehouse import helpers


def step(inst: Instance) -> int:
    """Stage the next step; returns its number."""
    with helpers.open_staging(inst) as con:
        n = int(con.execute("select count(*) from staging.invoice").fetchall()[0][0]) + 1
        at = helpers.T0 + timedelta(hours=n)
        con.execute("begin")
        helpers.put(con, "customer", "erp", [{"id": "C1", "code": "C1", "name": str(n)}], at=at)
        invoice = {"id": f"I{n}", "number": f"I{n}", "customer_id": "C1", "currency": "CNY",
                   "invoice_on": "2026-09-01", "gross_amount": 100}  # fmt: skip
        helpers.put(con, "invoice", "erp", [invoice], at=at)
        con.execute("commit")
    return n


def main() -> None:
    """Work on the instance named on the command line for ever."""
    inst = Instance.load(Path(sys.argv[1]))
    while True:
        n = step(inst)
        helpers.make(inst, full=n % 3 == 0)
        sys.stdout.write(f"{n}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
